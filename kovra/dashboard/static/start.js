// A page is shown before its scripts run: this small one alone comes first, and fetches the others when the first frame
// is there. What the reader does until they hear it is kept, and done again for them in the same order.
const { library, pages } = document.currentScript.dataset;
const PATIENCE = 1000;                  // after a frame has begun; some browsers never say that it is shown
const FIELDS = "input:not([type=checkbox], [type=radio], [type=button], [type=submit]), textarea, select";
const CONTROLS = "a, button, summary, label, input, select, textarea";
const KEPT = ["click", "submit", "keydown", "input", "change"];
const kept = [];
let begun = false;

const typing = target => target.matches?.(FIELDS) ?? false;
const chord = event => event.ctrlKey || event.metaKey || event.altKey;

// Whether the browser is to leave this to the scripts. Links, ticks, scrolling and typing are its own.
function theirs(event) {
  const { type, target, key } = event;
  if (type === "submit") return true;
  if (type === "click") {
    const control = target.closest(CONTROLS);
    return control?.matches("a") ? control.matches("[hx-get]") && !chord(event) && !event.shiftKey : Boolean(control?.matches("button, summary"));
  }
  if (type !== "keydown") return false;
  if (event.ctrlKey || event.metaKey) return ["k", "s"].includes(key.toLowerCase());
  if (typing(target) || event.altKey) return false;
  // After a key that is kept the next may belong to where that one leads: Space and Enter too.
  return (key.length === 1 && key !== " ") || key === "Escape" || (key.startsWith("Arrow") && !target.matches("input")) || (kept.length > 0 && (key === " " || key === "Enter"));
}

function keep(event) {
  const held = theirs(event);
  if (held) { event.preventDefault(); event.stopImmediatePropagation(); }
  if (held || event.type === "input" || event.type === "change") { kept.push([event, event.target]); begin(); }
}

function again([event, target]) {
  if (event.type === "keydown") { press(event); return; }
  if (!target.isConnected) return;
  if (event.type === "submit") target.requestSubmit(event.submitter);
  else target.dispatchEvent(new event.constructor(event.type, event));
}

// The key before may have moved the focus: into the field of the palette, onto a row.
function press(event) {
  const at = document.activeElement ?? document.body, { key } = event;
  if (typing(at) && key.length === 1 && !chord(event)) document.execCommand("insertText", false, key);
  else if (at.dispatchEvent(new KeyboardEvent("keydown", event)) && (key === " " || key === "Enter") && at.matches("a, button, summary")) at.click();
}

function release() {
  for (const type of KEPT) removeEventListener(type, keep, true);
  kept.forEach(again);
}

function begin() {
  if (begun) return;
  begun = true;
  // What the first frame does not show is laid out after it; the scripts find all of it in its place.
  for (const later of document.querySelectorAll("template[data-later]")) later.replaceWith(later.content);
  const scripts = [library, pages].map(address => Object.assign(document.createElement("script"), { src: address, async: false }));
  scripts[1].type = "module";
  // The library looks through the page in a task of its own, before this one.
  for (const told of ["load", "error"]) scripts[1].addEventListener(told, () => setTimeout(release));
  document.head.append(...scripts);
}

for (const type of KEPT) addEventListener(type, keep, true);
// On a phone a chart is wider than the screen: the newest is what one looks for first.
for (const chart of document.querySelectorAll(".chartbody")) chart.scrollLeft = chart.scrollWidth;

if (document.hidden) begin();
else {
  new PerformanceObserver(told => { if (told.getEntriesByName("first-contentful-paint").length) begin(); }).observe({ type: "paint", buffered: true });
  document.addEventListener("visibilitychange", begin, { once: true });
  requestAnimationFrame(() => setTimeout(begin, PATIENCE));
}
