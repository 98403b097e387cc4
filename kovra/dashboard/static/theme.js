// The theme changes at once and is kept by the form's own request; without this file the form still works.
document.addEventListener("submit", event => {
  const form = event.target.closest("[data-theme-form]");
  if (!form || !event.submitter) return;
  event.preventDefault();
  const theme = event.submitter.value;
  theme === "system" ? delete document.documentElement.dataset.theme : (document.documentElement.dataset.theme = theme);
  for (const button of form.querySelectorAll("button")) button.toggleAttribute("aria-current", button === event.submitter);
  fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form, event.submitter)), redirect: "manual" });
});

// The server picker narrows as one types.
document.addEventListener("input", event => {
  const list = event.target.dataset?.narrow && document.querySelector(event.target.dataset.narrow);
  if (!list) return;
  const wanted = event.target.value.trim().toLowerCase();
  for (const item of list.children) item.hidden = !item.dataset.text.includes(wanted);
});
