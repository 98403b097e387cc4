// Ticks of a list, and the bar that acts on all that are ticked. What is ticked lives here: a row that is fetched again
// comes without its tick. Where the bar says `data-keep`, ticks stay over pages and reloads, until they are cleared.
import { whenShown } from "./shown.js";

const kept = document.querySelector(".bulkbar")?.dataset.keep;
const ticked = new Set(kept ? recalled() : []);
// A list whose rows come ticked (`data-all-ticked`): who was unticked stays so when the list is fetched again.
const whole = Boolean(document.querySelector("[data-all-ticked]")), met = new Set();
let from = null;                        // the row ticked last: ⇧X and a click with Shift tick from there

const bar = () => document.querySelector(".bulkbar");
const boxes = () => [...document.querySelectorAll("#rows .c-cb .cb")];

export const anyTicked = () => ticked.size > 0;

export function tickRow(row, range = false) {
  const box = row?.querySelector(".c-cb .cb");
  if (box) tick(box, range, !box.checked);
}

// Says whether there was anything to take back.
export function untick() {
  if (!ticked.size || whole) return false;
  ticked.clear();
  dress();
  return true;
}

function tick(box, range, on) {
  const all = boxes(), at = all.indexOf(box), start = all.findIndex(one => one.value === from);
  const meant = range && start >= 0 ? all.slice(Math.min(at, start), Math.max(at, start) + 1) : [box];
  for (const one of meant) on ? ticked.add(one.value) : ticked.delete(one.value);
  from = box.value;
  dress();
}

function dress() {
  const all = boxes(), here = new Set(all.map(box => box.value));
  if (whole) for (const value of here) if (!met.has(value)) { met.add(value); ticked.add(value); }
  // Who is no longer on the page is not sent either.
  for (const value of ticked) if (!kept && !whole && !here.has(value)) ticked.delete(value);
  for (const box of all) box.checked = ticked.has(box.value);
  const every = document.querySelector("[data-tick-all]"), on = all.filter(box => box.checked).length;
  if (every) { every.checked = on > 0 && on === all.length; every.indeterminate = on > 0 && on < all.length; }
  const number = String(whole ? on : ticked.size);
  for (const count of document.querySelectorAll("[data-ticked]")) if (count.textContent !== number) count.textContent = number;
  if (kept) keep(ticked.size - on);
}

function keep(elsewhere) {
  bar().hidden = !ticked.size;
  bar().querySelector("[name=cases]").value = [...ticked].join(",");
  const told = elsewhere ? `, ${elsewhere} on other pages` : "", beside = bar().querySelector("[data-elsewhere]");
  if (beside.textContent !== told) beside.textContent = told;
  try { ticked.size ? sessionStorage.setItem(kept, [...ticked].join(",")) : sessionStorage.removeItem(kept); } catch { /* private window */ }
}

function recalled() {
  try { return (sessionStorage.getItem(kept) ?? "").split(",").filter(Boolean); } catch { return []; }
}

if (whole || document.querySelector("[data-tick-all]") || document.querySelector("#people, .bulkbar")) {
  let shift = false;
  document.addEventListener("click", event => {
    shift = event.shiftKey;
    if (event.target.closest("[data-untick]")) untick();
  }, true);
  document.addEventListener("change", event => {
    if (event.target.matches("[data-tick-all]")) { for (const box of boxes()) event.target.checked ? ticked.add(box.value) : ticked.delete(box.value); dress(); }
    else if (event.target.matches("#rows .c-cb .cb")) tick(event.target, shift, event.target.checked);
  });
  document.body.addEventListener("htmx:after:swap", dress);
  // Back from the page of the mass action: the browser has kept the ticks, this list has not.
  whenShown(() => { for (const box of boxes()) { met.add(box.value); if (box.checked && !kept) ticked.add(box.value); } dress(); });
}
