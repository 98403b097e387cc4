// Parts of a page that are fetched again when something of theirs has happened: <div data-live="case action" …>.
// The first event at once, then at most one request per `data-every`; the last event always counts. What happens while
// the page is hidden is fetched once, on return.
const EVERY = 750;

// A part whose rows come in at the top (`data-holds`) is not changed under the hand that points at it or works in it.
// What is new then waits behind the pill, and comes in when the reader leaves, clicks the pill or presses `.`.
const pill = document.getElementById("heldpill");
const inUse = part => part.matches(":hover, :focus-within") || Boolean(document.querySelector("dialog[open]"));
let letHeld = () => {};

export function letIn() { if (pill && !pill.hidden) letHeld(); }

function hold(part, refresh) {
  let waits = false;
  const free = () => { if (waits && !inUse(part)) now(); };
  const now = () => { waits = false; pill.hidden = true; refresh(); };
  letHeld = now;
  pill.addEventListener("click", now);
  part.addEventListener("pointerleave", free);
  part.addEventListener("focusout", () => setTimeout(free));
  document.getElementById("act")?.addEventListener("close", () => setTimeout(free));
  // What the reader has just decided themselves, in the dialog or in a row, is shown at once, wherever the hand is.
  document.getElementById("act")?.addEventListener("act:kept", () => setTimeout(now));
  part.addEventListener("htmx:after:request", ({ detail }) => { if (detail.ctx?.sourceElement.matches("form")) now(); });
  return () => { if (inUse(part)) { waits = true; pill.hidden = false; } else refresh(); };
}

// A part about one person (`data-about`) is renewed when the event names them, or names nobody.
function concerns(part, { target_id: target, user_ids: users }) {
  const about = part.dataset.about;
  return !about || (!target && !users) || target === about || Boolean(users?.includes(about));
}

function follow(part) {
  const every = Number(part.dataset.every || EVERY);
  let last = 0, timer = 0, missed = false;
  const refresh = () => {
    clearTimeout(timer);
    if (document.hidden) { missed = true; return; }
    const rest = every - (Date.now() - last);
    if (rest > 0) { timer = setTimeout(refresh, rest); return; }
    // What somebody is writing is never replaced; settings.js says that there is something new.
    if (part.querySelector("form[data-dirty]")) { part.dispatchEvent(new CustomEvent("part:kept")); return; }
    last = Date.now();
    htmx.trigger(part, "part:refresh");
  };
  const happened = part.hasAttribute("data-holds") ? hold(part, refresh) : refresh;
  for (const family of [...part.dataset.live.split(" "), "resync"]) document.body.addEventListener(`live:${family}`, ({ detail }) => { if (concerns(part, detail)) happened(); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && missed) { missed = false; refresh(); } });
}

for (const part of document.querySelectorAll("[data-live]")) follow(part);

// A morph closes what the server draws closed; what the reader has opened is opened again before it is painted.
const opened = new Set();
document.addEventListener("click", event => {
  const details = event.target.closest("summary")?.parentElement;
  if (details?.id) details.open ? opened.delete(details.id) : opened.add(details.id);
});
document.body.addEventListener("htmx:after:swap", () => { for (const id of opened) document.getElementById(id)?.setAttribute("open", ""); });
