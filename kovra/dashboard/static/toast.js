// One toast per request, changed in place until the request has ended. It looks again when the stream names its
// request, and once by itself when no event came within three seconds.
import { isLive } from "./again.js";
import { openCase } from "./sheet.js";

const box = document.getElementById("toasts");
const heard = new Set();                // requests named by an event, also before their toast was here
const PATIENCE = 3000, STAY = 9000;

const toastOf = id => document.getElementById(`toast-${id}`);
const look = toast => { if (toast?.hasAttribute("data-open")) htmx.trigger(toast, "toast:look"); };

function hear({ detail }) {
  if (!detail.request_id) return;
  heard.add(detail.request_id);
  if (heard.size > 500) heard.delete(heard.values().next().value);
  look(toastOf(detail.request_id));
  lookAtMany();
}

// A toast of many requests cannot know them all by name: it looks at each event, at most twice a second.
let manyTimer = 0;
function lookAtMany() {
  manyTimer ||= setTimeout(() => { manyTimer = 0; for (const toast of box.querySelectorAll("[data-many]")) look(toast); }, 500);
}

function settle(toast) {
  const id = toast.id.replace("toast-", "");
  if (toast.hasAttribute("data-open")) {
    if (toast.dataset.watched) return;
    toast.dataset.watched = "yes";
    if (heard.has(id)) look(toast);
    else setTimeout(() => { if (!heard.has(id)) look(toast); }, PATIENCE);
  } else if (toast.classList.contains("done") && !toast.dataset.leaves) {
    toast.dataset.leaves = "yes";       // failures stay until they are dismissed
    setTimeout(function leave() { toast.matches(":hover, :focus-within") ? setTimeout(leave, 2000) : toast.remove(); }, STAY);
  }
}

if (box) {
  document.body.addEventListener("live:action", hear);
  document.body.addEventListener("live:case", hear);
  document.body.addEventListener("live:resync", () => { for (const toast of box.children) look(toast); });
  document.body.addEventListener("htmx:before:swap", ({ detail }) => {
    for (const task of detail.tasks) {
      if (task.target !== box && task.target !== "#toasts") continue;
      const coming = task.fragment.firstElementChild;
      const problem = document.querySelector("dialog[open] .problem");
      const there = coming?.id && document.getElementById(coming.id);
      // What went wrong with an open dialog is said inside it; a second answer for one request changes its toast.
      if (coming?.id === "toast-problem" && problem) { task.target = problem; task.swapSpec.style = "innerHTML"; }
      else if (there) { task.target = there; task.swapSpec.style = "outerHTML"; }
    }
  });
  document.body.addEventListener("htmx:after:swap", () => { for (const toast of box.children) settle(toast); });
  document.body.addEventListener("htmx:error", ({ detail }) => {
    if (detail.ctx && !detail.ctx.response) unreached(detail.ctx.sourceElement);
  });
  document.addEventListener("click", event => {
    event.target.closest("[data-dismiss]")?.closest(".toast").remove();
    const link = event.target.closest("[data-open-case]");
    if (link && document.getElementById("sheet") && !event.metaKey && !event.ctrlKey) {
      event.preventDefault();
      openCase(link.dataset.openCase);
      link.closest(".toast").remove();
    }
  });
}

function unreached(element) {
  // The request never got an answer. Nothing typed is lost; the same form may be sent again with the same id.
  if (isLive(element)) return;
  const toast = document.createElement("div");
  toast.className = "toast fail";
  toast.id = "toast-problem";
  const title = document.createElement("span"), text = document.createElement("span");
  title.className = "t";
  title.textContent = "Kovra did not answer";
  text.className = "s";
  text.textContent = "Check your connection and try again. Sending the same form twice acts once.";
  toast.append(document.createElement("span"), title, text);
  const place = document.querySelector("dialog[open] .problem") ?? box;
  document.getElementById("toast-problem")?.remove();
  place.append(toast);
}
