// Forms of settings: what is not saved is counted, never replaced by what others do, and asked about before it is left.
import { whenShown } from "./shown.js";

const changedFields = form => [...form.elements].filter(field => {
  if (!field.name || field.type === "hidden") return false;
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  // Where no option is marked, a browser shows the first.
  if (field.tagName === "SELECT") return field.selectedIndex !== Math.max(0, [...field.options].findIndex(option => option.defaultSelected));
  return field.value !== field.defaultValue;
});
const find = () => document.querySelector("form[data-settings]");
let leaving = false;

function dress() {
  const form = find();
  if (!form) return;
  form.setAttribute("data-watched", "");
  const changed = changedFields(form).length;
  // What the server gave back because it could not keep it is not saved either.
  form.toggleAttribute("data-dirty", changed > 0 || form.hasAttribute("data-unsaved"));
  const said = document.querySelector("#settings [data-count]");
  if (said) said.textContent = changed === 1 ? "1 change not saved" : changed ? `${changed} changes not saved` : "Not saved";
}

const dirty = () => Boolean(find()?.hasAttribute("data-dirty"));

document.addEventListener("input", event => { if (event.target.form === find()) dress(); });
document.addEventListener("reset", event => { if (event.target === find()) setTimeout(() => { dress(); find()?.querySelector("[data-preview]")?.dispatchEvent(new Event("input", { bubbles: true })); }); });
document.addEventListener("submit", event => { if (event.target === find()) leaving = true; });
document.body.addEventListener("htmx:after:swap", dress);
addEventListener("beforeunload", event => { if (dirty() && !leaving) event.preventDefault(); });
whenShown(() => { leaving = false; dress(); });
document.addEventListener("keydown", event => {
  if (!(event.metaKey || event.ctrlKey) || event.key.toLowerCase() !== "s" || !find()) return;
  event.preventDefault();
  if (dirty()) find().requestSubmit();
});

document.getElementById("settings")?.addEventListener("part:kept", () => { document.getElementById("meanwhile").hidden = false; });
document.addEventListener("click", event => {
  if (event.target.closest("#meanwhile [data-theirs]")) { leaving = true; location.reload(); }
  if (event.target.closest("#meanwhile [data-mine]")) { find().elements.over.value = "yes"; document.getElementById("meanwhile").hidden = true; }
  const chip = event.target.closest("[data-insert]");
  const area = chip && find()?.querySelector("textarea");
  if (!area) return;
  area.setRangeText(chip.dataset.insert, area.selectionStart, area.selectionEnd, "end");
  area.focus();
  area.dispatchEvent(new Event("input", { bubbles: true }));
});
dress();
