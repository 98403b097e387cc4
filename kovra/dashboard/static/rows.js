// A list that grows at its top, such as the audit log. At its top with nothing focused new rows come in; otherwise the
// pill counts what has happened, and a click or `.` lets it in.
const list = document.getElementById("rowlist");
const pill = document.getElementById("rowpill");
const EVERY = 750;
let waiting = 0, last = 0, timer = 0;

export const entries = () => (list ? [...list.querySelectorAll("tr.entry")] : []);

export function letIn() {
  if (!pill || pill.hidden) return;
  if (list.dataset.first !== "yes") { location.href = pill.dataset.home; return; }
  list.querySelector(".tblwrap").scrollTop = 0;
  refresh();
}

export function step(by) {
  const all = entries();
  if (!all.length) return;
  const at = all.findIndex(row => row.classList.contains("is-cursor"));
  all[at]?.classList.remove("is-cursor");
  const row = all[Math.max(0, Math.min(all.length - 1, at + by))];
  row.classList.add("is-cursor");
  row.scrollIntoView({ block: "nearest" });
}

const atRest = () => list.dataset.first === "yes" && list.querySelector(".tblwrap").scrollTop < 8
  && !document.querySelector("dialog[open]") && !list.querySelector(".is-cursor") && !list.querySelector("a:focus");

function refresh() {
  const rest = EVERY - (Date.now() - last);
  clearTimeout(timer);
  if (rest > 0) { timer = setTimeout(refresh, rest); return; }
  last = Date.now();
  htmx.trigger(list, "rows:refresh");
}

function count() {
  pill.hidden = !waiting;
  pill.querySelector("[role=status]").textContent = waiting === 1 ? `1 new ${list.dataset.noun}` : `${waiting} new ${list.dataset.nouns}`;
}

if (list) {
  let known = new Set(entries().map(row => row.id));
  const happened = () => { if (atRest()) refresh(); else { waiting += 1; count(); } };
  for (const family of list.dataset.liveRows.split(" ")) document.body.addEventListener(`live:${family}`, happened);
  document.body.addEventListener("live:resync", () => { if (list.dataset.first === "yes") refresh(); });
  document.body.addEventListener("htmx:after:swap", ({ detail }) => {
    if (detail.ctx?.target !== list && detail.ctx?.sourceElement !== list) return;
    for (const row of entries()) if (known.size && !known.has(row.id)) { row.classList.add("is-new"); row.addEventListener("animationend", () => row.classList.remove("is-new"), { once: true }); }
    known = new Set([...known, ...entries().map(row => row.id)]);
    waiting = 0;
    count();
  });
  pill.addEventListener("click", letIn);
}

document.addEventListener("click", event => { if (event.target.closest("[data-print]")) print(); });
