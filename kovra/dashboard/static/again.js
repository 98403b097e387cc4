// An event is told once. A live part whose fetch failed is therefore fetched again until the server answers it.
const LIVE = ["list:refresh", "row:refresh", "sheet:refresh", "toast:look", "part:refresh", "rows:refresh", "people:refresh"];
const FIRST = 1000, LONGEST = 15000;
const waits = new WeakMap();

export const isLive = element => LIVE.includes(element?.getAttribute?.("hx-trigger"));

function later(element) {
  if (!isLive(element)) return;
  const wait = waits.get(element) ?? FIRST;
  waits.set(element, Math.min(wait * 2, LONGEST));
  setTimeout(() => { if (element.isConnected) htmx.trigger(element, element.getAttribute("hx-trigger")); }, wait);
}

document.body.addEventListener("htmx:error", ({ detail }) => { if (detail.ctx && !detail.ctx.response) later(detail.ctx.sourceElement); });
document.body.addEventListener("htmx:response:error", ({ detail }) => { if (detail.ctx.response.status >= 500) later(detail.ctx.sourceElement); });
document.body.addEventListener("htmx:after:request", ({ detail }) => { if (detail.ctx.response?.status < 500) waits.delete(detail.ctx.sourceElement); });
