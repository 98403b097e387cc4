// The quick actions in the rows of a list: hundreds of buttons on a page. One listener hears them all, and they get their
// icons when their row is pointed at, focused, or under the keyboard's cursor.
import { openAct } from "./dialog.js";

const icons = document.getElementById("rowicons");

function draw(row) {
  for (const button of row?.querySelectorAll("[data-act]:empty") ?? []) {
    const icon = icons.content.querySelector(`[data-of="${CSS.escape(button.dataset.act)}"] svg`);
    if (icon) button.append(document.importNode(icon, true));
  }
}

// A row that is fetched again comes without its icons, and the pointer may be on it.
function drawUsed() {
  for (const row of document.querySelectorAll("#rows > tr:is(:hover, :focus-within, .is-cursor)")) draw(row);
}

document.addEventListener("click", event => {
  const button = event.target.closest("#rows [data-act]");
  if (button) openAct(button.dataset.act, button.closest("tr").dataset.target);
});

if (icons) {
  for (const told of ["pointerover", "focusin"]) document.addEventListener(told, event => draw(event.target.closest?.("#rows > tr")));
  document.body.addEventListener("htmx:after:swap", drawUsed);
  drawUsed();
}
