// Whoever works in a list by keyboard is never thrown back to the top of the page. When the row that has the focus is
// drawn anew without the button that had it, the focus goes to the row; when the row is gone, to the next one that is
// still there, else to the one before, else to the list. A screen reader reads where it lands, after why it moved.
import { adoptCursor } from "./list.js";

const LISTS = ":is(#list, #people, #queue-list, #rowlist, #picks)", ROW = `${LISTS} .tblwrap tr[id]`;
let place = null;                       // where the focus was: its row, and the rows of its list in their order
let swapping = false;

const said = document.getElementById("moved");
const lost = () => !document.activeElement || document.activeElement === document.body;
const free = element => element.getClientRects().length > 0;

// A row's own link, else the first thing in it that takes the focus, else the row itself.
function enter(row) {
  let mark = row.querySelector(".rowlink") ?? [...row.querySelectorAll("a[href], button:not(:disabled), input:not(:disabled)")].find(free);
  if (!mark) { row.tabIndex = -1; mark = row; }
  mark.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

function remember(row) {
  const wrap = row.closest(".tblwrap");
  place = { id: row.id, order: [...wrap.querySelectorAll("tr[id]")].map(one => one.id) };
}

function restore() {
  if (!place || !lost() || document.querySelector("dialog[open]")) return;
  const { id, order } = place, at = order.indexOf(id);
  const there = document.getElementById(id);
  if (there) { enter(there); return; }
  const heir = [...order.slice(at + 1), ...order.slice(0, Math.max(at, 0)).reverse()].map(one => document.getElementById(one)).find(Boolean);
  const list = document.querySelector(`${LISTS} .tblwrap`) ?? document.getElementById("main");
  if (said && at >= 0) said.textContent = heir ? "The row you were in has gone. Now in the one beside it." : "The row you were in has gone.";
  adoptCursor(id, heir ?? null);
  place = null;
  const first = at < 0 && list.querySelector("tr[id]");
  if (heir ?? first) enter(heir ?? first); else list.focus({ preventScroll: true });
}

document.addEventListener("focusin", ({ target }) => {
  const row = target.closest(ROW);
  if (row) remember(row);
  // What lets new rows in, or clears the ticks, goes away itself: then the list is where one was. Not for a mouse: a
  // list with the focus in it lets nobody in.
  else if (target.matches(":is(.newpill, .bulkbar *):focus-visible")) place = { id: "", order: [] };
  else if (!target.closest("dialog")) place = null;
});
// Somebody who clicks beside everything has left. What is taken away or disabled under the focus has not.
document.addEventListener("focusout", ({ target, relatedTarget }) => {
  if (relatedTarget || swapping || !target.isConnected || target.disabled || !free(target)) return;
  setTimeout(() => { if (target.isConnected && !target.disabled && free(target) && lost() && document.hasFocus() && !document.querySelector("dialog[open]")) place = null; });
});
document.body.addEventListener("htmx:before:swap", () => { swapping = true; setTimeout(() => { swapping = false; }, 1000); });  // should it never come
document.body.addEventListener("htmx:after:swap", () => { swapping = false; settle(); });
document.addEventListener("click", ({ target }) => { if (target.closest("[data-untick]")) settle(); });
for (const dialog of document.querySelectorAll("dialog")) dialog.addEventListener("close", settle);

// A button that was disabled or hidden loses the focus only when the page is drawn next.
function settle() {
  restore();
  requestAnimationFrame(() => requestAnimationFrame(restore));
}
