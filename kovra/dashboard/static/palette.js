// The command palette: one field, options under it, and the pane of the member that is chosen. The server says what
// there is; here one moves and chooses. The focus stays in the field, so that one can go on typing.
import { openAct } from "./dialog.js";

const palette = document.getElementById("palette");
const field = document.getElementById("p-q");
const found = document.getElementById("p-found");
let asked = null;                       // what the options on show answer, as they say themselves: a late answer to an earlier question is none to this one
let enter = false;

const options = () => [...found.querySelectorAll(".p-opt")];
const chosen = () => found.querySelector(".p-opt[aria-selected=true]");
const buttons = () => [...found.querySelectorAll(".p-side:not([hidden]) button")];

export function openPalette() {
  if (!palette) return;
  if (palette.open) { palette.close(); return; }
  if (document.querySelector("dialog[open]")) return;
  field.value = "";
  palette.showModal();
  field.focus();
  ask();
}

function ask() {
  htmx.trigger(field, "palette:ask");
}

function choose(option) {
  for (const other of options()) other.setAttribute("aria-selected", String(other === option));
  for (const pane of found.querySelectorAll(".p-side")) pane.hidden = !option || pane.dataset.side !== option.dataset.member || option.hasAttribute("data-act");
  if (!option) { field.removeAttribute("aria-activedescendant"); return; }
  field.setAttribute("aria-activedescendant", option.id);
  option.scrollIntoView({ block: "nearest" });
}

function open(option) {
  if (!option) return;
  if (option.dataset.href) { location.href = option.dataset.href; return; }
  palette.close();
  openAct(option.dataset.act, option.dataset.member);
}

function move(by) {
  const all = options();
  if (all.length) choose(all[(all.indexOf(chosen()) + by + all.length) % all.length]);
}

if (palette) {
  document.addEventListener("click", event => { if (event.target.closest("[data-palette]")) openPalette(); });
  document.body.addEventListener("htmx:after:swap", ({ detail }) => {
    if (detail.ctx?.target !== found && detail.ctx?.target !== "#p-found") return;
    asked = found.querySelector(".p-list").dataset.asked;
    choose(options()[0] ?? null);
    if (enter && asked === field.value) { enter = false; open(chosen()); }
  });
  palette.addEventListener("close", () => { enter = false; asked = null; found.querySelector(".p-list").replaceChildren(); for (const pane of found.querySelectorAll(".p-side")) pane.remove(); });
  palette.addEventListener("click", event => {
    const target = event.target.closest(".p-opt, .p-acts button");
    if (target) open(target);
    else if (event.target === palette || event.target.closest("[data-close]")) palette.close();
  });
  palette.addEventListener("keydown", event => {
    if (event.isComposing) return;
    const inPane = event.target.closest(".p-acts");
    if (inPane) { pane(event); return; }
    if (event.key === "ArrowDown") { event.preventDefault(); move(1); }
    else if (event.key === "ArrowUp") { event.preventDefault(); move(-1); }
    else if (event.key === "Tab" && !event.shiftKey && event.target === field && buttons().length) { event.preventDefault(); buttons()[0].focus(); }
    else if (event.key === "Enter" && event.target === field) {
      event.preventDefault();
      // The answer to what was typed may be missing yet: it is asked for, so that Enter never opens something else.
      if (asked === field.value) open(chosen()); else { enter = true; ask(); }
    }
  });
}

function pane(event) {
  const all = buttons(), at = all.indexOf(event.target.closest("button"));
  if (event.key === "ArrowDown") { event.preventDefault(); all[(at + 1) % all.length].focus(); }
  else if (event.key === "ArrowUp") { event.preventDefault(); at ? all[at - 1].focus() : field.focus(); }
  else if (event.key === "Tab" && event.shiftKey) { event.preventDefault(); field.focus(); }
  else if (!event.metaKey && !event.ctrlKey && !event.altKey) {
    const named = all.find(button => button.querySelector("kbd")?.textContent.toLowerCase() === event.key.toLowerCase());
    // Once the palette is closed the page would take the same key for its own.
    if (named) { event.preventDefault(); event.stopPropagation(); open(named); }
  }
}
