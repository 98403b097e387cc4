// The keyboard map. Single keys are off while typing or in a dialog, and can be switched off for good (WCAG 2.1.4).
import { openAct, openHelp } from "./dialog.js";
import { openFilters } from "./filters.js";
import { cursorRow, moveCursor, openRow, setCursor, showNew } from "./list.js";
import { openPalette } from "./palette.js";
import { letIn as letHeldIn } from "./parts.js";
import { letPeopleIn } from "./people.js";
import { entries, letIn, step as stepRows } from "./rows.js";
import { close, editCase, isOpen, openTarget, walk } from "./sheet.js";
import { tickRow, untick } from "./ticks.js";

const stored = () => { try { return localStorage.getItem("kovra-keys") !== "off"; } catch { return true; } };
const toggle = document.getElementById("keysw");
if (toggle) {
  toggle.checked = stored();
  toggle.addEventListener("change", () => { try { localStorage.setItem("kovra-keys", toggle.checked ? "on" : "off"); } catch { /* private window */ } });
}

// G, then the letter of a place in the navigation. Who may not go there has no such place.
let goUntil = 0;

function go(key) {
  const waits = Date.now() < goUntil;
  goUntil = 0;
  const place = waits && document.querySelector(`.nav [data-go="${CSS.escape(key)}"]`);
  if (place) location.href = place.href;
  return Boolean(place);
}

const ACTS = { w: "warn", m: "mute", b: "ban", n: "note" };
const canAct = () => document.body.hasAttribute("data-acts");
const target = () => openTarget() ?? cursorRow()?.dataset.target ?? document.querySelector(".prof")?.dataset.target ?? null;
const onPage = event => !event.target.closest("button, a, summary, input, select, textarea");
const inList = event => Boolean(event.target.closest("#rows .rowlink"));

document.addEventListener("keydown", event => {
  // Caps Lock makes capitals of all letters; the map means the keys.
  const key = event.key.length === 1 && !event.shiftKey ? event.key.toLowerCase() : event.key;
  if ((event.metaKey || event.ctrlKey) && key.toLowerCase() === "k") {
    event.preventDefault();
    openPalette();
    return;
  }
  const typing = event.target.matches("input:not([type=checkbox], [type=radio]), textarea, select");
  if (document.querySelector("dialog[open]")) return;
  // A menu closes by itself, and gives the focus back only when it still has it.
  if (key === "Escape" && typing && !event.target.closest("[popover]")) { event.target.blur(); return; }
  if (key === "Escape" && !document.querySelector("[popover]:popover-open")) { isOpen() ? close() : untick() || setCursor(null); return; }
  if (typing || event.metaKey || event.ctrlKey || event.altKey || !stored()) return;
  if (go(key)) event.preventDefault();
  else if (key === "g") goUntil = Date.now() + 1500;
  else if (key === "/") { const field = document.querySelector("[data-search]"); if (field) { event.preventDefault(); field.focus(); field.select(); } }
  else if (key === "j" || (key === "ArrowDown" && (onPage(event) || inList(event)))) step(event, 1);
  else if (key === "k" || (key === "ArrowUp" && (onPage(event) || inList(event)))) step(event, -1);
  else if ((key === "Enter" && onPage(event)) || key === "o") (cursorRow() ?? openRow())?.querySelector(".rowlink").click();
  else if (key.toLowerCase() === "x") tickRow(cursorRow(), event.shiftKey);
  else if (key === "f") openFilters();
  else if (key === "?") openHelp();
  else if (key === ".") { showNew(); letIn(); letPeopleIn(); letHeldIn(); }
  else if (key === "z") [...document.querySelectorAll(".toast [data-undo]")].at(-1)?.click();
  else if (key === "e") editCase(cursorRow());
  else if (key === "c") document.querySelector(".sheet [data-copy], .prof [data-copy]")?.click();
  else if (ACTS[key] && canAct()) { event.preventDefault(); openAct(ACTS[key], target()); }
});

function step(event, by) {
  if (entries().length) { event.preventDefault(); stepRows(by); return; }
  if (!document.getElementById("rows")) return;
  event.preventDefault();
  openTarget() && openRow() ? walk(by) : moveCursor(by);
}
