// One event stream per server and browser: the tab that holds the lock opens it, the others hear it from that tab.
// An event carries ids only. Each becomes a DOM event `live:<family>` on body; whoever shows something fetches it again.
const NUMBERED = [
  "action.queued", "action.running", "action.done", "action.failed", "action.rejected", "action.cancelled",
  "action.expired", "action.discarded", "case.created", "case.updated", "job.changed", "lane.changed", "settings.changed",
  "post.changed", "message.tested",
];
// What nobody keeps, most of it Discord's: it says how many of its kind and, when they are few, which: `count`, `user_ids`, ….
const HINTS = [
  "member.joined", "member.left", "member.updated", "ban.added", "ban.removed", "role.updated", "channel.updated",
  "voice.updated", "guild.updated", "guild.left", "workers.changed",
];
const FAMILIES = [...new Set(HINTS.map(kind => kind.split(".")[0]))];
const KEPT = 300;                       // events a leader can repeat to a tab that opened a moment ago
const PATIENCE = { say: 3000, banner: 15000 };
const SILENCE = 40000;                  // the server beats every 15 s; longer silence is a line that died unnoticed

const body = document.body;
const guild = body.dataset.guild;
const me = crypto.randomUUID ? crypto.randomUUID() : String(Math.random());
const channel = "BroadcastChannel" in window ? new BroadcastChannel(`kovra:${guild}`) : null;
const recent = [];
let last = Number(body.dataset.since || 0);
let floor = last;                       // a leader can repeat what came after this number
let leading = false;
let source = null;
let wait = 1000;
let retry = 0;
let heardAt = Date.now();
let wasLive = false;                    // this page, through its own stream or another tab's

export function listen() {
  state("wait");
  channel?.addEventListener("message", ({ data }) => receive(data));
  if (navigator.locks && channel) {
    navigator.locks.request(`kovra:${guild}`, () => { lead(); return new Promise(() => {}); });
    channel.postMessage({ type: "hello", from: me, since: last });
  } else {
    lead();
  }
  document.addEventListener("click", event => {
    if (event.target.closest("[data-reconnect]")) leading ? open() : channel?.postMessage({ type: "reconnect" });
  });
  addEventListener("online", () => { if (leading) open(); });
  setInterval(() => {
    if (leading && current !== "revoked" && Date.now() - heardAt > SILENCE) { tell("wait"); open(); }
  }, 5000);
}

function lead() {
  leading = true;
  floor = last;
  open();
}

function open() {
  clearTimeout(retry);
  source?.close();
  heardAt = Date.now();
  source = new EventSource(`/g/${guild}/live?since=${last}`);
  source.addEventListener("open", () => {
    wait = 1000;
    heardAt = Date.now();
    // Hints that fell into the gap are gone: whoever shows something of Discord's looks again.
    if (wasLive) hear("again", 0, "{}");
    tell("live");
  });
  source.addEventListener("beat", () => { heardAt = Date.now(); });
  source.addEventListener("error", () => {
    tell("wait");
    // The browser reconnects by itself after a cut, but not after an answer it does not like.
    // Each page another time: whoever refuses one refuses many in the same moment.
    if (source.readyState === EventSource.CLOSED) {
      retry = setTimeout(open, wait * (0.5 + Math.random()));
      wait = Math.min(wait * 2, 30000);
    }
  });
  for (const kind of NUMBERED) source.addEventListener(kind, event => hear(kind, Number(event.lastEventId), event.data));
  for (const kind of HINTS) source.addEventListener(kind, event => hear(kind, 0, event.data));
  source.addEventListener("resync", event => hear("resync", Number(event.lastEventId), "{}"));
  source.addEventListener("revoked", () => { source.close(); clearTimeout(retry); tell("revoked"); });
}

function hear(kind, id, data) {
  heardAt = Date.now();
  if (id && kind !== "resync") { recent.push({ kind, id, data }); if (recent.length > KEPT) floor = recent.shift().id; }
  channel?.postMessage({ type: "event", kind, id, data });
  show(kind, id, data);
}

function receive(message) {
  if (message.type === "event") show(message.kind, message.id, message.data);
  else if (message.type === "state") state(message.state);
  else if (message.type === "missed" && message.to === me) for (const { kind, id, data } of message.events) show(kind, id, data);
  else if (!leading) return;
  else if (message.type === "reconnect") open();
  else if (message.type === "hello") {
    channel.postMessage({ type: "state", state: current });
    const events = message.since >= floor ? recent.filter(event => event.id > message.since)
      : [{ kind: "resync", id: last, data: "{}" }];
    if (events.length) channel.postMessage({ type: "missed", to: message.from, events });
  }
}

function show(kind, id, data) {
  if (kind === "resync") {
    last = Math.max(last, id);
    soon(() => dispatch("resync", { kind }));
    return;
  }
  if (kind === "again") {
    soon(() => { for (const family of FAMILIES) dispatch(family, { kind: `${family}.again` }); });
    return;
  }
  if (id && id <= last) return;
  if (id) last = id;
  dispatch(kind.split(".")[0], { kind, ...JSON.parse(data) });
}

function soon(call) {
  setTimeout(call, Math.random() * 2000);  // not every page at the same instant
}

function dispatch(family, detail) {
  seenAt = new Date();
  body.dispatchEvent(new CustomEvent(`live:${family}`, { detail }));
}

// ---- the state a reader sees
let current = "new";
let seenAt = new Date();
let sayTimer = 0, bannerTimer = 0;

function tell(next) {
  channel?.postMessage({ type: "state", state: next });
  state(next);
}

function state(next) {
  if (next === current && next !== "live") return;
  if (current === "live" && next !== "live") seenAt = new Date();
  current = next;
  wasLive ||= next === "live";
  clearTimeout(sayTimer);
  clearTimeout(bannerTimer);
  const offline = document.getElementById("offline"), revoked = document.getElementById("revoked");
  if (next === "live") { mark("", "Live", "Connected to the event stream"); if (offline) offline.hidden = true; return; }
  if (next === "revoked") { mark("off", "Ended", "Your access has ended"); if (offline) offline.hidden = true; if (revoked) revoked.hidden = false; return; }
  sayTimer = setTimeout(() => mark("wait", wasLive ? "Reconnecting" : "Connecting", "The event stream is away"), PATIENCE.say);
  bannerTimer = setTimeout(() => {
    mark("off", "Offline", "The event stream is away");
    if (!offline) return;
    document.getElementById("offline-since").textContent = seenAt.toISOString().slice(11, 19) + " UTC";
    offline.hidden = false;
  }, PATIENCE.banner);
}

function mark(name, words, title) {
  const badge = document.getElementById("live");
  if (!badge) return;
  badge.className = `live ${name}`.trim();
  badge.title = title;
  badge.firstElementChild.textContent = words;
}
