// The action dialog and the list of keys. Native <dialog>: focus goes back to the opener by itself.
const dialog = document.getElementById("act");
const body = document.getElementById("act-body");

export function openAct(action, target) {
  const query = new URLSearchParams();
  if (action) query.set("action", action);
  if (target) query.set("target", target);
  htmx.ajax("GET", `/g/${document.body.dataset.guild}/act?${query}`, { target: "#act-body", swap: "innerHTML" });
}

export function openHelp() {
  const help = document.getElementById("help");
  if (help && !help.open) help.showModal();
}

if (dialog) {
  document.body.addEventListener("htmx:after:swap", ({ detail }) => {
    const target = detail.ctx?.target;
    if (target !== body && target !== "#act-body") return;
    if (!dialog.open) dialog.showModal();
    const field = body.querySelector("[aria-invalid=true], [autofocus]");
    if (field && !body.contains(document.activeElement)) field.focus();
  });
  // Who sends does not wait for the dialog to be drawn again, and a drawing that comes late does not open it again.
  body.addEventListener("submit", () => { for (const choice of body.querySelectorAll("[data-redraw]")) htmx.trigger(choice, "htmx:abort", {}, false); });  // not bubbling: the form heeds it too
  document.addEventListener("htmx:before:swap", event => {
    if (!dialog.open && event.detail.ctx?.sourceElement?.matches("[data-redraw]")) event.preventDefault();
  });
  // The DM as it will read, with the reason that is being typed; user text only as text.
  const preview = () => {
    const shown = body.querySelector("[data-preview]"), reason = body.querySelector("#act-reason")?.value.trim() ?? "";
    if (!shown) return;
    for (const part of shown.querySelectorAll("[data-reason]")) part.textContent = reason;
    shown.querySelector("[data-with]").hidden = !reason;
    shown.querySelector("[data-without]").hidden = Boolean(reason);
  };
  body.addEventListener("input", preview);
  document.body.addEventListener("htmx:after:swap", preview);
  // The server says when a request is kept; only then does the form go away.
  dialog.addEventListener("act:kept", () => dialog.close());
  dialog.addEventListener("close", () => body.replaceChildren());
  dialog.addEventListener("click", event => {
    if (event.target.closest("[data-close]")) dialog.close();
    const mine = event.target.closest("[data-mine]");
    if (mine) { body.querySelector("[name=entry]").value = mine.dataset.mine; mine.closest(".banner").remove(); body.querySelector("textarea").focus(); }
    const preset = event.target.closest("[data-preset]");
    if (preset) { const area = body.querySelector("textarea"); area.value = preset.dataset.preset; area.focus(); preview(); }
    // A slip beside the dialog must not cost a written reason.
    if (event.target === dialog && !body.querySelector("textarea")?.value) dialog.close();
  });
  dialog.addEventListener("keydown", event => {
    if ((event.metaKey || event.ctrlKey) && event.key === "Enter") { event.preventDefault(); body.querySelector("form")?.requestSubmit(); return; }
    const options = [...body.querySelectorAll("[data-pick]")];
    if (!options.length || event.target.matches("textarea, select")) return;
    const at = options.indexOf(document.activeElement);
    if (event.key === "ArrowDown") { event.preventDefault(); options[Math.min(at + 1, options.length - 1)].focus(); }
    else if (event.key === "ArrowUp") { event.preventDefault(); at <= 0 ? body.querySelector("#act-q")?.focus() : options[at - 1].focus(); }
    else if (event.key === "Enter" && event.target.id === "act-q") { event.preventDefault(); options[0].click(); }
  });
}

document.addEventListener("click", event => {
  if (event.target.closest("[data-help]")) openHelp();
  const help = document.getElementById("help");
  if (help?.open && (event.target === help || event.target.closest("#help [data-close]"))) help.close();
});
