// The side sheet: beside the table, never in its way. Its case stands in the address, so reload, share and Back work.
import { focusRow, openRow, rows, setCursor } from "./list.js";

const slot = document.getElementById("sheet");
const sheet = () => document.querySelector(".sheet");
let shown = sheet()?.dataset.case ?? null;
const covers = matchMedia("(max-width: 720px)");

export const openTarget = () => sheet()?.dataset.target ?? null;
export const isOpen = () => Boolean(sheet());

export function openCase(number) {
  htmx.ajax("GET", `/g/${document.body.dataset.guild}/cases/${number}`, { target: "#sheet", swap: "innerMorph" });
}

export function close() {
  if (!sheet()) return;
  const row = openRow();
  slot.replaceChildren();
  row?.removeAttribute("aria-current");
  if (row) { setCursor(row); focusRow(row); }
  address(null, "push");
}

export function walk(step) {
  const all = rows(), at = all.indexOf(openRow());
  const next = all[at + step];
  if (at < 0 || !next) return;
  next.scrollIntoView({ block: "nearest" });
  if (!sheet().contains(document.activeElement)) focusRow(next);
  openCase(next.dataset.case);
}

function address(number, how) {
  if (number === shown) return;
  const url = new URL(location.href);
  number ? url.searchParams.set("case", number) : url.searchParams.delete("case");
  // Opening and closing are steps of their own; walking from case to case replaces the step.
  history[how === "push" ? "pushState" : "replaceState"]({}, "", url);
  shown = number;
}

if (slot) {
  document.body.addEventListener("htmx:after:swap", ({ detail }) => {
    if (detail.ctx?.target?.id !== "sheet" && detail.ctx?.target !== "#sheet") return;
    const now = sheet();
    if (!now) return;
    const number = now.dataset.case ?? shown;
    if (number !== shown) now.querySelector(".scroll").scrollTop = 0;
    for (const row of rows()) row.removeAttribute("aria-current");
    document.getElementById(`case-${number}`)?.setAttribute("aria-current", "true");
    setCursor(null);
    // On a phone the sheet hides the list, and the reader goes with it.
    if (!shown && covers.matches) now.querySelector("h2").focus({ preventScroll: true });
    address(number, shown ? "replace" : "push");
    recall();
  });
  slot.addEventListener("click", event => {
    if (event.target.closest("[data-close]")) close();
    const step = event.target.closest("[data-walk]");
    if (step) walk(Number(step.dataset.walk));
  });
  document.body.addEventListener("live:case", ({ detail }) => { if (detail.kind === "case.updated") renew(detail.case_no); });
  document.body.addEventListener("live:action", ({ detail }) => { if (detail.case_no) renew(detail.case_no); });
  document.body.addEventListener("live:post", ({ detail }) => {
    const open = Number(sheet()?.dataset.case);
    if (detail.from_case <= open && open <= detail.to_case) renew(open);
  });
  document.body.addEventListener("live:resync", () => renew(sheet()?.dataset.case));
  addEventListener("popstate", () => {
    const number = new URL(location.href).searchParams.get("case");
    shown = number;
    if (number) openCase(number);
    else { slot.replaceChildren(); openRow()?.removeAttribute("aria-current"); }
  });
}

function renew(number) {
  const now = sheet();
  if (now && number && now.dataset.case === String(number)) htmx.trigger(now, "sheet:refresh");
  // The dialog about the same case is told, and decides nothing: what is typed in it stays.
  const news = document.querySelector(`#act-body [data-news="${CSS.escape(String(number))}"]`);
  if (news) htmx.trigger(news, "part:refresh");
}

// A comment that is not sent yet belongs to its case: it is there again when one comes back, also after a reload.
const drafts = key => `kovra-draft:${document.body.dataset.guild}:${key}`;

function remember(form) {
  const text = form.querySelector("textarea").value;
  try { text ? sessionStorage.setItem(drafts(form.id), text) : sessionStorage.removeItem(drafts(form.id)); } catch { /* private window */ }
}

function recall() {
  const form = sheet()?.querySelector("[data-draft]"), field = form?.querySelector("textarea");
  try { if (field && !field.value) field.value = sessionStorage.getItem(drafts(form.id)) ?? ""; } catch { /* private window */ }
}

document.addEventListener("input", event => { const form = event.target.closest("[data-draft]"); if (form) remember(form); });
document.addEventListener("draft:kept", event => { event.target.querySelector("textarea").value = ""; remember(event.target); });
document.addEventListener("keydown", event => {
  const form = event.target.closest("[data-draft]");
  if (form && (event.metaKey || event.ctrlKey) && event.key === "Enter") { event.preventDefault(); form.requestSubmit(); }
});
recall();

export function editCase(row) {
  const button = sheet()?.querySelector("[data-edit]");
  if (button) button.click();
  else if (row && !sheet()) htmx.ajax("GET", `/g/${document.body.dataset.guild}/cases/${row.dataset.case}/acts/amend`, { target: "#act-body", swap: "innerHTML" });
}

document.addEventListener("click", event => {
  const drawer = event.target.closest("[data-drawer]");
  const app = document.querySelector(".app");
  if (drawer) drawer.setAttribute("aria-expanded", String(app.classList.toggle("drawer")));
  else if (app?.classList.contains("drawer") && !event.target.closest(".side")) {
    app.classList.remove("drawer");
    document.querySelector("[data-drawer]").setAttribute("aria-expanded", "false");
  }
});
