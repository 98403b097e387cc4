// Ticks of a list, and the bar that acts on all that are ticked. What is ticked lives here: a row that is fetched again
// comes without its tick.
const ticked = new Set();
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
  if (!ticked.size) return false;
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
  // Who is no longer on the page is not sent either.
  for (const value of ticked) if (!here.has(value)) ticked.delete(value);
  for (const box of all) box.checked = ticked.has(box.value);
  const whole = document.querySelector("[data-tick-all]");
  if (whole) { whole.checked = ticked.size > 0 && ticked.size === all.length; whole.indeterminate = ticked.size > 0 && ticked.size < all.length; }
  const count = bar()?.querySelector("[data-ticked]");
  if (count && count.textContent !== String(ticked.size)) count.textContent = ticked.size;
}

if (document.querySelector("[data-tick-all]") || document.querySelector("#people")) {
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
  addEventListener("pageshow", () => { for (const box of boxes()) if (box.checked) ticked.add(box.value); dress(); });
}
