// The form of a mass action. What was reviewed is what is confirmed: a change afterwards asks for a new review.
const form = document.getElementById("mass-form");
const run = document.getElementById("run");
const file = document.getElementById("csv");

if (form && run) {
  const conf = document.getElementById("conf"), stale = document.getElementById("stale");
  form.addEventListener("input", event => {
    if (event.target === conf || event.target.name === "reason") return;
    stale.hidden = false;
    run.disabled = conf.disabled = true;
  });
  // Enter means the button beside the field, not the first one of the form.
  conf.addEventListener("keydown", event => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    if (!run.disabled) form.requestSubmit(run);
  });
  // On a phone the review stands below the form.
  conf.focus();
}

if (file) {
  const said = document.getElementById("csv-err"), largest = Number(file.dataset.largest);
  file.addEventListener("change", () => {
    const large = (file.files[0]?.size ?? 0) > largest;
    said.textContent = large ? `“${file.files[0].name}” is larger than ${largest / 1048576} MB. Leave out other columns, or split it.` : "";
    file.toggleAttribute("aria-invalid", large);
    if (large) file.value = "";
  });
}

// What is picked by stands in the address, so that it can be reloaded, shared and gone back to.
const pick = document.getElementById("pick-form");
if (pick) pick.addEventListener("input", () => {
  const words = new URLSearchParams([...new FormData(pick)].filter(([, text]) => text));
  history.replaceState(history.state, "", words.size ? `?${words}` : location.pathname);
});
