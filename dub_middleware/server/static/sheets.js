// Dialogs: those in the page, and pages shown in one ("View all", filter, time zone).
import { fetchPage, formUrl, go } from "./swap.js";
import { toast } from "./toast.js";

const sheet = () => document.getElementById("sheet");

let opening = null;

async function open(url, title, focused) {
  opening?.abort();
  const { signal } = (opening = new AbortController());
  const fetched = await fetchPage(url, signal).catch((error) => {
    if (!signal.aborted) throw error;
  });
  if (signal.aborted) return;
  const { page } = fetched;
  const part = page.querySelector("[data-sheet-part]");
  if (!part) return location.assign(url);
  document.getElementById("sheet-title").textContent = title ?? page.querySelector("h1").textContent;
  sheet().querySelector("[data-sheet]").replaceChildren(part);
  if (!sheet().open) sheet().showModal();
  (document.getElementById(focused) ?? part.querySelector("[autofocus], [data-search]") ?? part).focus?.();
  if (part.querySelector("[data-filter-form]")) offerValues(part);
}

// another state of what the dialog shows; what had the focus keeps it
function show(url) {
  const title = document.getElementById("sheet-title").textContent;
  open(url, title, document.activeElement?.id).catch(() => toast("The server does not answer.", "failed"));
}

// where a link in the dialog leads, with what has been typed into its search meanwhile
function stepUrl(link) {
  const url = new URL(link.href);
  const typed = sheet().querySelector("[data-search]")?.value;
  if (typed) url.searchParams.set("q", typed);
  else url.searchParams.delete("q");
  return url.href;
}

export function start() {
  sheet()?.addEventListener("close", () => opening?.abort()); // what comes late shall not open it again
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-sheet-link]");
    if (link && event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey) {
      event.preventDefault();
      open(link.href, link.dataset.sheetLink).catch(() => location.assign(link.href));
    }
    const step = event.target.closest("a[data-sheet-step]");
    if (step && sheet().contains(step)) {
      event.preventDefault();
      show(stepUrl(step));
    }
    const opener = event.target.closest("[data-dialog]");
    if (opener) document.getElementById(opener.dataset.dialog)?.showModal();
    // a click beside the dialog is one on its backdrop, which is the dialog itself
    if (event.target instanceof HTMLDialogElement) event.target.close();
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!sheet()?.contains(form) || form.method === "dialog" || event.defaultPrevented) return;
    event.preventDefault();
    if (form.matches("[data-filter-form]")) filterBy(form);
    else show(formUrl(form));
  });
  document.addEventListener("change", (event) => {
    if (event.target.id === "filter-field") offerValues(event.target.closest("[data-sheet-part]") ?? document);
  });
  document.addEventListener("input", (event) => {
    if (event.target.id === "filter-value") narrow(event.target);
  });
}

let offer = Promise.resolve(); // done when the values of the field that was chosen last are on the list
let asking = null;

// the values to choose from: all there can be, or those that events of the range have, most frequent first
function offerValues(root) {
  const { values: url, choices } = root.querySelector("#filter-field").selectedOptions[0].dataset;
  asking?.abort();
  asking = new AbortController();
  offer = fillList(root, url, choices, asking.signal);
}

async function fillList(root, url, choices, signal) {
  const list = root.querySelector("[data-filter-values]");
  list.replaceChildren(); // they are of another field
  const known = JSON.parse(choices ?? "[]").map(([value, label]) => ({ value, label }));
  const rows = url ? await valuesAt(url, signal).catch(() => []) : known;
  if (signal.aborted) return;
  list.hidden = rows.length === 0;
  root.querySelector("#filter-hint").hidden = !list.hidden; // who chooses need not know how it is recorded
  root.querySelector("#filter-value").placeholder = list.hidden ? "" : "Choose below, or type a part of it";
  list.replaceChildren(...rows.slice(0, 200).map((row) => choice(root, row)));
  narrow(root.querySelector("#filter-value"));
}

async function valuesAt(url, signal) {
  const answer = await fetch(url, { headers: { Accept: "application/json" }, signal });
  return (await answer.json()).rows;
}

async function filterBy(form) {
  await offer; // who types fast is ahead of the list
  takeOffer(form);
  sheet().close();
  go(formUrl(form));
}

// what was typed is a part of a name more often than a value: the first one offered is meant then
function takeOffer(form) {
  const field = form.querySelector("#filter-value");
  const offered = [...form.querySelectorAll("[data-filter-values] li:not([hidden]) button")];
  if (offered.length > 0 && !offered.some((button) => button.value === field.value)) field.value = offered[0].value;
}

function choice(root, row) {
  const [item, button, count] = ["li", "button", "span"].map((name) => document.createElement(name));
  button.type = "submit";
  button.value = row.value;
  button.textContent = row.label;
  count.className = "choice-end soft";
  count.textContent = row.counts?.clicks.toLocaleString("en") ?? "";
  button.append(count);
  button.addEventListener("click", () => (root.querySelector("#filter-value").value = row.value));
  item.dataset.text = `${row.label} ${row.value}`.toLowerCase();
  item.append(button);
  return item;
}

function narrow(field) {
  const wanted = field.value.toLowerCase();
  for (const item of field.form.querySelectorAll("[data-filter-values] li")) item.hidden = !item.dataset.text.includes(wanted);
}
