// Buttons that copy: `data-copy` is the text; `data-copies` names the others whose texts, line by line, are copied at once.
const textOf = button => button.dataset.copies
  ? [...document.querySelectorAll(button.dataset.copies)].map(one => one.dataset.copy).join("\n")
  : button.dataset.copy;

document.addEventListener("click", async event => {
  const button = event.target.closest("[data-copy], [data-copies]");
  if (!button || button.hasAttribute("aria-pressed")) return;
  const before = button.getAttribute("aria-label");
  let said = "Copied";
  // Without https there is no clipboard, and a browser may refuse it.
  try { await navigator.clipboard.writeText(textOf(button)); } catch { said = "Not copied: the browser does not allow it here"; }
  button.setAttribute("aria-label", said);
  button.setAttribute("aria-pressed", String(said === "Copied"));
  document.getElementById("moved").textContent = said;
  setTimeout(() => { button.setAttribute("aria-label", before); button.removeAttribute("aria-pressed"); }, 1200);
});
