// Keyboard shortcuts: a key presses what carries it in aria-keyshortcuts. The help lists the same elements.
import { whenReady } from "./swap.js";

const isTyping = (target) => target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");

/** The element that a key belongs to, among those that have one. */
export const holder = (elements, key) => [...elements].find((found) => found.getAttribute("aria-keyshortcuts").split(" ").includes(key)) ?? null;

export function start() {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey) return;
    if (isTyping(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") return clearFilters();
    const found = holder(document.querySelectorAll("[aria-keyshortcuts]:not([hidden])"), event.key);
    if (!found) return;
    event.preventDefault();
    if (found.matches("input")) found.focus();
    else found.click();
    if (found.matches("summary")) found.parentElement.querySelector(".menu-body a")?.focus();
  });
  const help = document.querySelector('[data-dialog="keys"]');
  if (help) help.hidden = false;
  whenReady(describe);
}

function clearFilters() {
  document.querySelector(".chips > a, .chip-remove")?.click();
}

const FIXED = [
  ["← →", "Read the chart"],
  ["Esc", "Close, or clear filters"],
];

// what it says, without the key that may stand in it and without numbers
function nameOf(element) {
  const part = element.querySelector(".metric-name, .spark-name, .menu-label") ?? element;
  const copy = part.cloneNode(true);
  for (const key of copy.querySelectorAll("kbd")) key.remove();
  return copy.textContent.trim();
}

function describe() {
  const list = document.querySelector("[data-keys]");
  if (!list) return;
  const found = [...document.querySelectorAll("[aria-keyshortcuts]:not([hidden])")].map((element) => [
    element.getAttribute("aria-keyshortcuts"),
    element.dataset.keyLabel ?? element.getAttribute("aria-label") ?? nameOf(element),
  ]);
  list.replaceChildren(
    ...[...found, ...FIXED].map(([key, label]) => {
      const [group, term, kbd, text] = ["div", "dt", "kbd", "dd"].map((name) => document.createElement(name));
      kbd.textContent = key;
      text.textContent = label;
      term.append(kbd);
      group.append(term, text);
      return group;
    }),
  );
}
