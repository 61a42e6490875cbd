// The table of events: rows that come by themselves, rows before them, rows that open, columns, search.
import { step } from "./menus.js";
import { remember, showCopyButtons } from "./small.js";
import { fetchPage, formUrl, go, refresh, whenReady } from "./swap.js";
import { toast } from "./toast.js";

const MOST_ROWS = 500;
const COUNTS_EVERY = 4000; // milliseconds

let waiting = []; // rows that have come while somebody is reading, newest first
let count = 0; // of those, also where they are too many to be kept

/** Those of `rows` whose id is not in `ids`, each once. */
export function unseen(rows, ids) {
  const known = new Set(ids);
  return rows.filter((row) => !known.has(row.dataset.id) && known.add(row.dataset.id));
}

export const barText = (count) => `${count.toLocaleString("en")} new event${count === 1 ? "" : "s"}`;

const isFlooded = () => count > MOST_ROWS;

/** What takes in the news of this page; null when it shows no stream. */
export function receiver(root) {
  if (!root.querySelector("[data-sparks]")) return null;
  forget();
  return async (news) => {
    if (!news.count) return;
    if (!body()) return refresh(".content");
    const fresh = unseen(parseRows(news.rows), [...waiting, ...body().rows].map((row) => row.dataset.id));
    count += fresh.length;
    if (isFlooded()) waiting = [];
    else waiting.unshift(...fresh);
    if (isRead()) showBar();
    // what piled up while the page stood still comes in one piece, or is the newest page when it is more than that
    else if (!news.more || isFlooded()) insert();
    await recount();
  };
}

function forget() {
  waiting = [];
  count = 0;
}

const box = () => document.querySelector("[data-stream]");
const body = () => document.querySelector("[data-rows]");
const bar = () => document.querySelector("[data-new]");

// while the pointer or the focus is inside, or the top is scrolled away, nothing moves
const isRead = () => box().matches(":hover, :focus-within") || box().getBoundingClientRect().top < 0;

function parseRows(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return [...template.content.querySelectorAll("tr")];
}

// said once for all that come while somebody reads, not again and again
function showBar() {
  if (bar().hidden && count > 0) document.querySelector("[data-new-said]").textContent = "New events have come.";
  if (count === 0) document.querySelector("[data-new-said]").textContent = "";
  bar().textContent = barText(count);
  bar().hidden = count === 0;
}

function insert() {
  if (isFlooded()) {
    forget();
    return go(location.href, { push: false });
  }
  for (const row of waiting) row.classList.add("is-new");
  body().prepend(...waiting);
  forget();
  showBar();
  trim();
}

// a page that is left open all night stays quick; what is cut off is behind "Older events"
function trim() {
  const rows = [...body().querySelectorAll(".event")];
  if (rows.length <= MOST_ROWS) return;
  for (const row of rows.slice(MOST_ROWS)) {
    if (row.nextElementSibling?.matches(".detail-row")) row.nextElementSibling.remove();
    row.remove();
  }
  const link = document.querySelector("[data-older]");
  if (!link) return;
  const url = new URL(link.href);
  url.searchParams.set("before", rows[MOST_ROWS - 1].dataset.cursor);
  link.href = url.href;
}

let countedAt = 0;
async function recount() {
  if (performance.now() - countedAt < COUNTS_EVERY) return;
  countedAt = performance.now();
  await refresh("[data-sparks]");
}

async function older(link) {
  link.setAttribute("aria-disabled", "true");
  const { page } = await fetchPage(link.href);
  const rows = unseen([...page.querySelectorAll("[data-rows] > tr")], [...body().rows].map((row) => row.dataset.id));
  body().append(...rows);
  const next = page.querySelector("[data-older]");
  if (next) {
    link.href = next.href;
    link.removeAttribute("aria-disabled");
  } else {
    link.replaceWith(Object.assign(document.createElement("span"), { className: "soft", textContent: "That is all of them." }));
  }
  rows[0]?.querySelector("[data-open]").focus({ preventScroll: true });
}

async function toggle(row) {
  const link = row.querySelector("[data-open]");
  const isOpen = link.getAttribute("aria-expanded") === "true";
  link.setAttribute("aria-expanded", String(!isOpen));
  if (isOpen) return row.nextElementSibling?.matches(".detail-row") && row.nextElementSibling.remove();
  const url = new URL(link.href);
  url.search = location.search;
  const { page } = await fetchPage(url);
  const part = page.querySelector("[data-sheet-part]");
  if (!part) throw new Error("This event is gone.");
  if (link.getAttribute("aria-expanded") !== "true" || row.nextElementSibling?.matches(".detail-row")) return;
  const [line, cell] = ["tr", "td"].map((name) => document.createElement(name));
  line.className = "detail-row";
  line.setAttribute("role", "row");
  cell.setAttribute("role", "cell");
  cell.colSpan = row.cells.length;
  cell.append(part);
  line.append(cell);
  showCopyButtons(part);
  row.after(line);
}

function opened(row) {
  toggle(row).catch(() => {
    row.querySelector("[data-open]").setAttribute("aria-expanded", "false");
    toast("The details did not come.", "failed");
  });
}

function chooseColumns(form) {
  const names = [...form.querySelectorAll("[name=columns]:checked")].map((field) => field.value);
  if (names.length === 0) return toast("One column has to stay.", "failed");
  remember("dub_columns", names.join("."));
  const url = new URL(location.href);
  url.searchParams.delete("columns");
  go(url.href, { replace: true });
}

let typing;
function search(field) {
  clearTimeout(typing);
  typing = setTimeout(() => go(formUrl(field.form), { replace: true }), 300);
}

export function start() {
  whenReady((root) => {
    for (const link of root.querySelectorAll("[data-open]:not([role])")) announce(link);
    const table = root.querySelector("[data-stream]");
    if (!table || table.dataset.isReady) return;
    table.dataset.isReady = "1";
    new MutationObserver(() => table.querySelectorAll("[data-open]:not([role])").forEach(announce)).observe(table, { childList: true, subtree: true });
    for (const kind of ["pointerleave", "focusout"]) {
      table.addEventListener(kind, () => setTimeout(() => count > 0 && box() && !isRead() && insert()));
    }
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-new]")) return insert();
    const link = event.target.closest("[data-older]");
    if (link) {
      event.preventDefault();
      if (!link.hasAttribute("aria-disabled")) older(link).catch(() => location.assign(link.href));
      return;
    }
    const row = event.target.closest("tr.event");
    const isOther = event.target.closest("a:not([data-open])") || getSelection()?.type === "Range";
    if (!row || isOther || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    opened(row);
  });
  document.addEventListener("change", (event) => {
    const form = event.target.closest("[data-columns]");
    if (form) chooseColumns(form);
  });
  document.addEventListener("input", (event) => event.target.matches("[data-search-live]") && search(event.target));
  document.addEventListener("keydown", (event) => {
    if (!event.target.matches?.("[data-open]")) return;
    if (event.key === " ") {
      event.preventDefault();
      return opened(event.target.closest("tr"));
    }
    const links = [...document.querySelectorAll("[data-open]")];
    const next = step(event.key, links.indexOf(event.target), links.length, "ArrowUp", "ArrowDown");
    if (next === null) return;
    event.preventDefault();
    links[next].focus();
  });
}

// with JavaScript the link opens its row and goes nowhere
function announce(link) {
  link.setAttribute("role", "button");
  link.setAttribute("aria-expanded", "false");
}
