// A list of people (members, bans) stays live without moving under the reader's hand. Whoever comes is let in at the
// top when nothing is open, focused or ticked; otherwise the pill counts. Known rows change in place.
import { cursorRow, rows } from "./list.js";
import { anyTicked } from "./ticks.js";

const list = document.getElementById("people");
const pill = document.getElementById("peoplepill");
const EVERY = 750;
let waiting = 0, stale = false, last = 0, timer = 0;

export function letPeopleIn() {
  if (!pill || pill.hidden) return;
  if (list.dataset.first !== "yes" && !stale) { location.href = pill.dataset.home; return; }
  document.getElementById("tblwrap").scrollTop = 0;
  refresh();
}

const atRest = () => list.dataset.first === "yes" && document.getElementById("tblwrap").scrollTop < 8 && !cursorRow()
  && !anyTicked() && !document.querySelector("dialog[open]") && !list.contains(document.activeElement?.closest("a, button, input"));

function refresh() {
  const rest = EVERY - (Date.now() - last);
  clearTimeout(timer);
  if (rest > 0) { timer = setTimeout(refresh, rest); return; }
  last = Date.now();
  htmx.trigger(list, "people:refresh");
}

function count() {
  pill.hidden = !waiting && !stale;
  pill.querySelector("[role=status]").textContent = waiting ? `${waiting} ${list.dataset.came}` : "Changed";
}

function lookAgain() {
  if (atRest()) refresh(); else { stale = true; count(); }
}

// Too many at once are not named; then the whole list is looked at again.
function changed(ids) {
  if (!ids) { lookAgain(); return; }
  for (const id of ids) renew(id);
}

function renew(id) {
  const row = document.querySelector(`#rows > tr[data-target="${CSS.escape(id)}"]`);
  if (row) htmx.trigger(row, "row:refresh");
}

function heard({ detail }) {
  if (list.dataset.grows === detail.kind) {
    // One look at all of it, however many came: in a raid most of those that are told are here from the look before.
    if (atRest()) { refresh(); return; }
    const there = detail.user_ids?.filter(id => document.querySelector(`#rows > tr[data-target="${CSS.escape(id)}"]`)) ?? [];
    for (const id of there) renew(id);
    if (there.length && there.length === detail.user_ids.length) return;
    waiting += detail.count - there.length;
    count();
  } else if (list.dataset.changes.split(" ").includes(detail.kind)) changed(detail.user_ids);
  else if (detail.kind.endsWith(".again")) lookAgain();
}

if (list) {
  let known = new Set(rows().map(row => row.id));
  for (const family of ["member", "ban"]) document.body.addEventListener(`live:${family}`, heard);
  // An act changes what its target's line says; the event names the target.
  document.body.addEventListener("live:case", ({ detail }) => { if (detail.target_id) renew(detail.target_id); });
  document.body.addEventListener("live:resync", lookAgain);
  document.body.addEventListener("htmx:after:swap", ({ detail }) => {
    cursorRow()?.classList.add("is-cursor");
    if (detail.ctx?.sourceElement !== list) return;
    for (const row of rows()) if (known.size && !known.has(row.id)) { row.classList.add("is-new"); row.addEventListener("animationend", () => row.classList.remove("is-new"), { once: true }); }
    known = new Set([...known, ...rows().map(row => row.id)]);
    waiting = 0;
    stale = false;
    count();
  });
  pill.addEventListener("click", letPeopleIn);
}
