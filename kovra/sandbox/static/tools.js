// What one does to the guild from outside: scenes, people, faults, the gateway; and what the sandbox counted.

import { ask, attempt, button, byId, element, fill, know, lines, picked, say, world } from "./shared.js";
import { choosable } from "./commands.js";
import { by, refresh } from "./reading.js";

async function showScenes() {
  const scenes = await ask("GET", "scenes");
  fill(byId("scenes"), scenes.map((scene) => {
    const text = (scene.playing ? "Stop " : "Play ") + scene.scene;
    return [scene.scene, text, () => element("li", {}, button(text, async () => {
      const wish = { scene: scene.scene, do: scene.playing ? "stop" : "start", seed: Math.floor(Math.random() * 1e6) };
      await attempt(() => ask("POST", "scenes", wish), scene.playing ? "" : scene.about);
      await showScenes();
    }, { title: scene.about, "aria-pressed": String(scene.playing) }), element("small", {}))];
  }));
  // In place: a button must not be replaced under the finger that presses it.
  scenes.forEach((scene, place) => {
    byId("scenes").children[place].lastChild.textContent = scene.playing ? `${scene.steps} things happened` : "";
  });
}

export async function showPeople() {
  const members = await ask("GET", `guilds/${world.guild_id}/members`);
  const people = members.map(({ user, nick }) => know(user.id, nick || user.global_name || user.username));
  fill(byId("people"), people);
  fill(byId("mentionables"), [...choosable[8].map(([name, id]) => know(id, name)), ...people]);
}

async function showCensus() {
  const { members, bans } = await ask("GET", "world");
  byId("census").textContent = `${members} members, ${bans} banned`;
  if (members !== showCensus.members) { showCensus.members = members; await showPeople(); }
}

async function showArmed() {
  const [armed, limits] = await Promise.all([ask("GET", "faults"), ask("GET", "limits")]);
  byId("limits").checked = limits.on;
  const what = (fault) => fault.reset ? "reset" : fault.drop ? "closed" : fault.status;
  lines("armed", armed.map((fault) => [`${fault.method || ""} ${fault.route || "every request"}: ${what(fault)} ${fault.when}, `
    + `struck ${fault.struck} of ${fault.times || "any number"}`, ""]));
}

async function showSessions() {
  const { sessions, ...counts } = await ask("GET", "gateway");
  lines("sessions", [...sessions.map((session) => [flat(session), ""]), [flat(counts), "dim"]]);
}

const flat = (fields) => Object.entries(fields).map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`).join(" · ");

async function showEffects() {
  const ref = byId("judge").elements.ref.value.trim();
  const { effects, messages } = await ask("GET", "effects" + (ref ? "?ref=" + encodeURIComponent(ref) : ""));
  const told = messages.reduce((by, one) => ({ ...by, [one.ref]: [...(by[one.ref] || []), `${one.count} × ${one.kind}`] }), {});
  const done = effects.map((one) => [`${one.ref}  ${one.verb}: ${one.count}, changed ${one.changed}`
    + (told[one.ref] ? `; messages ${told[one.ref].join(", ")}` : ""), one.changed > 1 ? "bad" : ""]);
  const only = messages.filter((one) => !effects.some((effect) => effect.ref === one.ref)).map((one) => [`${one.ref}  ${one.count} × ${one.kind}`, ""]);
  lines("effects", [...done, ...only].slice(-60).reverse().concat(done.length + only.length ? [] : [["Nothing with a reference happened yet.", "dim"]]));
}

async function showRequests() {
  const { served, requests } = await ask("GET", "requests?limit=60");
  lines("requests", [[`${served} served`, "dim"], ...requests.reverse().map((one) => [
    `${new Date(one.at * 1000).toLocaleTimeString()} ${one.status || "no answer"} ${one.method} ${one.path.replace("/api/v10", "")} · ${one.ms} ms`
      + (one.reason ? " · " + one.reason : ""), one.status === 0 || one.status >= 400 ? "bad" : ""])]);
}

async function showFindings() {
  const { findings, checked } = await ask("GET", "findings");
  if (findings === null) return lines("findings", [["Answers are not checked: start the sandbox with --check.", "dim"]]);
  lines("findings", [[`${checked} answers checked, ${findings.length} deviations`, "dim"], ...findings.map((one) => [flat(one), "bad"])]);
}

const TOOLS = { scenes: showScenes, faults: showArmed, gateway: showSessions, effects: showEffects, requests: showRequests, findings: showFindings };

// Only what is open is asked for.
export async function showTools() {
  for (const [name, show] of Object.entries(TOOLS)) if (byId("tool-" + name).open) await show();
  await showCensus();
}
for (const name of Object.keys(TOOLS)) byId("tool-" + name).addEventListener("toggle", () => attempt(showTools));

// A form of which the pressed button and the fields say what to do.
function on(id, deed) {
  byId(id).onsubmit = (event) => {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(byId(id)));
    attempt(async () => say(await deed(fields, event.submitter?.value)));
  };
}

const HANDS = {
  bans: (who) => ["bans", { ...who, ...by() }], unbans: (who) => ["unbans", { ...who, ...by() }], kicks: (who) => ["kicks", { ...who, ...by() }],
  timeouts: (who) => ["timeouts", { ...who, ...by(), seconds: 600 }], freed: (who) => ["timeouts", { ...who, ...by(), seconds: 0 }],
  leave: (who) => ["leave", who], join: (who) => ["join", who], closed: (who) => ["dms", { ...who, open: false }], open: (who) => ["dms", { ...who, open: true }],
};
const DONE = { bans: "Banned", unbans: "Unbanned", kicks: "Kicked", timeouts: "Timed out for ten minutes", freed: "Time-out lifted",
  leave: "Left", join: "Came back", closed: "Takes no direct messages now", open: "Takes direct messages again" };

on("hand", async ({ user_id: text, reason }, what = "bans") => {
  const [path, body] = HANDS[what]({ user_id: picked(text), ...(reason ? { reason } : {}) });
  await ask("POST", path, body);
  await refresh();
  return `${DONE[what]}: ${text.replace(/ \(\d+\)$/, "")}.`;
});

on("arrival", async ({ username, days }) => {
  const made = await ask("POST", "join", { username, made_at: Date.now() / 1000 - days * 86400 });
  await showPeople();
  return `${made.user.username} joined.`;
});

on("fault", async ({ route, what, when, times }) => {
  const [method, template] = route.trim() ? route.trim().split(/\s+/) : [];
  const kinds = { hang: { drop: true, delay_ms: 20000 }, drop: { drop: true }, reset: { reset: true },
    429: { status: 429, message: "You are being rate limited.", headers: { "Retry-After": "2" }, extra: { retry_after: 2, global: false } } };
  await ask("POST", "faults", { ...(method ? { method, route: template } : {}), ...(kinds[what] || { status: Number(what) }), when, times: times ? Number(times) : null });
  await showArmed();
  return "Armed.";
});

on("latency", async ({ ms }) => `Every answer takes ${(await ask("POST", "latency", { ms: Number(ms) })).ms} ms longer.`);

on("trouble", async ({ do: what, code }) => {
  await ask("POST", "gateway", { do: what === "resumable" ? "invalidate" : what, resumable: what === "resumable", code: Number(code), codes: [Number(code)] });
  await showSessions();
  return "It happened.";
});

on("judge", async () => { await showEffects(); return ""; });
byId("disarm").onclick = () => attempt(async () => { await ask("DELETE", "faults"); await showArmed(); }, "All faults are disarmed.");
byId("limits").onchange = () => attempt(() => ask("POST", "limits", { on: byId("limits").checked }));
byId("reset").onclick = () => {
  if (confirm("Everything that happened in the guild is forgotten, and everybody is signed out. Start over?")) {
    attempt(async () => { await ask("POST", "reset"); location.assign("/"); });
  }
};
