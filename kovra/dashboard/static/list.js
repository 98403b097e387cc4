// The list of cases stays live without moving under the reader's hand: at the top with nothing open, new rows come in;
// otherwise the pill counts up. Known rows change in place.
import { anyTicked } from "./ticks.js";

const list = document.getElementById("list");
const pill = document.getElementById("newpill");
const held = new Set();                 // numbers of new cases that wait behind the pill
let known = new Set();
let cursor = null;                      // the id of the row the keyboard is on

export const rows = () => [...document.querySelectorAll("#rows > tr")];
export const cursorRow = () => (cursor ? document.getElementById(cursor) : null);
export const openRow = () => document.querySelector("#rows > tr[aria-current]");

export function moveCursor(step) {
  const all = rows();
  if (!all.length) return;
  const at = all.indexOf(cursorRow() ?? openRow());
  const row = all[Math.max(0, Math.min(all.length - 1, at + step))];
  setCursor(row);
  focusRow(row);
}

export function setCursor(row) {
  cursorRow()?.classList.remove("is-cursor");
  cursor = row ? row.id : null;
  row?.classList.add("is-cursor");
  row?.scrollIntoView({ block: "nearest" });
}

// The row that the cursor was on has gone: it is on this one now.
export function adoptCursor(gone, row) {
  if (cursor === gone) setCursor(row);
}

export function focusRow(row) {
  // Enter then opens this row, not the button that was pressed last; and a screen reader reads it.
  row?.querySelector(".rowlink").focus({ preventScroll: true });
}

export function showNew() {
  if (!pill || pill.hidden) return;
  if (list.dataset.first !== "yes") { location.href = pill.dataset.home; return; }
  document.getElementById("tblwrap").scrollTop = 0;
  refresh();
}

function atRest() {
  const wrap = document.getElementById("tblwrap");
  return list.dataset.first === "yes" && wrap.scrollTop < 8 && !cursor && !anyTicked() && !document.querySelector(".sheet, dialog[open]")
    && !wrap.contains(document.activeElement?.closest("a, button"));
}

let countTimer = 0;
async function countFitting() {
  // Which of the new cases fit the filters only the server knows; one look for all that come within 750 ms.
  countTimer = 0;
  const answer = await fetch(`${pill.dataset.count}${pill.dataset.count.includes("?") ? "&" : "?"}since=${top()}`);
  if (!answer.ok) return;
  const words = await answer.text();
  pill.hidden = !words;
  pill.querySelector("[role=status]").textContent = words;
}

// The highest number that the reader has been shown: rows may stand in another order.
const top = () => Math.max(Number(pill.dataset.top), ...rows().map(row => Number(row.dataset.case)));

function count() {
  if (pill.dataset.count) {
    if (!held.size) { pill.hidden = true; return; }
    countTimer ||= setTimeout(countFitting, 750);
    return;
  }
  pill.hidden = !held.size;
  pill.querySelector("[role=status]").textContent = held.size === 1 ? "1 new case" : `${held.size} new cases`;
}

let last = 0, timer = 0;
function refresh() {
  // The first at once, then at most one request per 750 ms; the last event always counts.
  const now = Date.now();
  clearTimeout(timer);
  if (now - last < 750) { timer = setTimeout(refresh, 750 - (now - last)); return; }
  last = now;
  htmx.trigger(list, "list:refresh");
}

function refreshRow(number) {
  const row = document.getElementById(`case-${number}`);
  if (row) htmx.trigger(row, "row:refresh");
}

function dress() {
  // A morph gives back what the server knows; what only this page knows is put on again.
  cursorRow()?.classList.add("is-cursor");
  const open = document.querySelector(".sheet")?.dataset.case;
  for (const row of rows()) row.toggleAttribute("aria-current", false);
  if (open) document.getElementById(`case-${open}`)?.setAttribute("aria-current", "true");
}

if (list) {
  known = new Set(rows().map(row => row.id));
  document.body.addEventListener("live:case", ({ detail }) => {
    if (detail.kind !== "case.created") { refreshRow(detail.case_no); return; }
    if (document.getElementById(`case-${detail.case_no}`)) return;
    if (atRest()) { refresh(); return; }
    held.add(String(detail.case_no));
    count();
  });
  document.body.addEventListener("live:action", ({ detail }) => { if (detail.kind === "action.done") refreshRow(detail.case_no); });
  document.body.addEventListener("live:resync", () => { if (list.dataset.first === "yes") refresh(); });
  document.body.addEventListener("htmx:after:swap", () => {
    if (!list.contains(document.getElementById("rows"))) return;
    for (const row of rows()) {
      if (known.has(row.id) || !known.size) continue;
      row.classList.add("is-new");
      row.addEventListener("animationend", () => row.classList.remove("is-new"), { once: true });
    }
    known = new Set([...known, ...rows().map(row => row.id)]);
    for (const row of rows()) held.delete(row.dataset.case);
    count();
    dress();
  });
  pill.addEventListener("click", showNew);
  list.addEventListener("pointerdown", () => setCursor(null));
  // What came while a dialog lay over the list is let in when it closes.
  document.getElementById("act")?.addEventListener("close", () => setTimeout(() => { if (held.size && atRest()) refresh(); }));
}
