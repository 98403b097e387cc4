// Search and filters of the case browser: forms of the address, so that a list can be shared, reloaded and gone back to.
import { whenShown } from "./shown.js";

const dialog = document.getElementById("filters");
const body = document.getElementById("filters-body");
let wanted = "";                        // the filter whose chip was pressed

export function openFilters(name = "") {
  if (!dialog || dialog.open) return;
  wanted = name;
  htmx.ajax("GET", dialog.dataset.from, { target: "#filters-body", swap: "innerHTML" });
}

if (dialog) {
  document.body.addEventListener("htmx:after:swap", ({ detail }) => {
    const target = detail.ctx?.target;
    if (target !== body && target !== "#filters-body") return;
    dialog.showModal();
    (body.querySelector(`[name="${CSS.escape(wanted)}"]`) ?? body.querySelector("input")).focus();
  });
  dialog.addEventListener("close", () => body.replaceChildren());
  dialog.addEventListener("click", event => { if (event.target === dialog || event.target.closest("[data-close]")) dialog.close(); });
  document.addEventListener("click", event => {
    const opener = event.target.closest("[data-filters]");
    if (opener) openFilters(opener.dataset.filters);
  });
}

// What was left empty stays out of the address.
document.addEventListener("submit", event => {
  if (!event.target.matches("[data-tidy]")) return;
  for (const field of event.target.elements) if (field.name && !field.value) field.disabled = true;
});
whenShown(() => {
  for (const field of document.querySelectorAll("[data-tidy] :disabled[name]")) field.disabled = false;
});
