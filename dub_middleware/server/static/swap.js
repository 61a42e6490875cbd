// Going from one state of a page to another without a white flash: the server draws every state, and the
// content of <main> is exchanged. The old one stays until the new one is there. Without this module links and
// forms do the same by themselves.
import { toast } from "./toast.js";

const watchers = [];
const main = () => document.getElementById("main");
let running = null;

/** Call `prepare(root)` now and whenever content has been exchanged. */
export function whenReady(prepare) {
  watchers.push(prepare);
  prepare(main());
}

/** Fetch a page of our own as a document. Rejects when it does not come or is not one. */
export async function fetchPage(url, signal) {
  const response = await fetch(url, { headers: { Accept: "text/html" }, signal });
  if (!response.headers.get("content-type")?.startsWith("text/html")) throw new Error("That was no page.");
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  return { page, url: response.url, ok: response.ok };
}

/** Show another state; `push: false` leaves the history alone, `replace` puts it in the place of this one. */
export async function go(url, { push = true, replace = false } = {}) {
  running?.abort();
  const mine = (running = new AbortController());
  main().setAttribute("aria-busy", "true");
  try {
    const fetched = await fetchPage(url, mine.signal);
    const place = focusPlace(main());
    if (push) history[replace ? "replaceState" : "pushState"]({}, "", fetched.url);
    document.title = fetched.page.title;
    main().replaceChildren(...fetched.page.getElementById("main").childNodes);
    restoreFocus(main(), place);
    for (const prepare of watchers) prepare(main());
  } catch (error) {
    if (error.name === "AbortError") return;
    if (push) location.assign(url);
    else toast("The server does not answer.", "failed");
  } finally {
    if (running === mine) {
      running = null;
      main().removeAttribute("aria-busy");
    }
  }
}

/** Draw the state on screen anew, in place: only `selector`, and nothing at all while somebody goes elsewhere. */
export async function refresh(selector) {
  if (running) return;
  const { page, ok } = await fetchPage(location.href);
  const [old, fresh] = [document.querySelector(selector), page.querySelector(selector)];
  if (!ok || running || !old || !fresh) return;
  const place = focusPlace(old);
  const before = totals(old);
  const open = [...old.querySelectorAll("details[id][open]")].map((found) => found.id);
  old.replaceChildren(...fresh.childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  restoreFocus(old, place);
  for (const [name, element] of totals(old)) {
    if (before.get(name)?.textContent !== element.textContent) element.classList.add("is-changed");
  }
  for (const prepare of watchers) prepare(main());
}

const totals = (root) => new Map([...root.querySelectorAll("[data-total]")].map((found) => [found.dataset.total, found]));

// Focus survives an exchange when what had it is still there, by id, address or role.
function focusPlace(root) {
  const focused = document.activeElement;
  if (!focused || !root.contains(focused)) return null;
  const selectors = [];
  if (focused.id) selectors.push(`#${CSS.escape(focused.id)}`);
  if (focused.getAttribute("href")) selectors.push(`a[href="${CSS.escape(focused.getAttribute("href"))}"]`);
  if (focused.getAttribute("aria-keyshortcuts")) selectors.push(`[aria-keyshortcuts="${CSS.escape(focused.getAttribute("aria-keyshortcuts"))}"]`);
  for (const name of ["data-plot", "data-pause", "data-stream"]) if (focused.hasAttribute(name)) selectors.push(`[${name}]`);
  const text = focused.value !== undefined && focused.selectionStart !== undefined ? [focused.selectionStart, focused.selectionEnd] : null;
  return { selectors, text };
}

function restoreFocus(root, place) {
  if (!place) return;
  const found = place.selectors.map((selector) => root.querySelector(selector)).find(Boolean);
  const target = found?.closest("details:not([open])") && !found.matches("summary") ? found.closest("details").querySelector("summary") : found;
  (target ?? document.getElementById("main")).focus({ preventScroll: true });
  try {
    if (place.text && found) found.setSelectionRange(...place.text);
  } catch {
    // not a field of text
  }
}

const isPlainClick = (event) =>
  event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey && !event.defaultPrevented;

export function start() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-swap]");
    if (!link || !isPlainClick(event) || link.target || !isThisPage(link.href)) return;
    event.preventDefault();
    link.closest("dialog")?.close();
    go(link.href);
  });
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-swap]");
    if (!form || event.defaultPrevented) return;
    event.preventDefault();
    go(formUrl(form));
  });
  addEventListener("popstate", () => go(location.href, { push: false }));
}

// another page of the dashboard is loaded as a whole: the navigation changes too
const isThisPage = (url) => new URL(url).pathname === location.pathname;

/** Where a GET form leads, empty fields left out. */
export function formUrl(form, submitter) {
  const url = new URL(form.action);
  const filled = [...new FormData(form, submitter)].filter(([, value]) => value !== "");
  url.search = new URLSearchParams(filled).toString();
  return url.href;
}
