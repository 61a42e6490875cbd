// Menus (<details>) that close like menus, tab lists that arrow keys move in, lists that a field searches.
export function start() {
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target) || event.target.closest(".menu-body a")) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeMenu(event);
    const list = event.target.closest?.("[role=tablist]");
    if (list) moveInTabs(event, list);
    const menu = event.target.closest?.("details.menu[open]");
    if (menu) moveInMenu(event, menu);
  });
  document.addEventListener("input", (event) => {
    if (event.target.matches("[data-search]")) searchIn(event.target);
  });
}

function closeMenu(event) {
  const open = document.querySelector("details.menu[open]");
  if (!open) return;
  open.open = false;
  open.querySelector("summary").focus();
  event.preventDefault();
}

function moveInTabs(event, list) {
  const tabs = [...list.querySelectorAll("[role=tab]")];
  if (event.key === " ") {
    event.preventDefault();
    return document.activeElement.click();
  }
  const next = step(event.key, tabs.indexOf(document.activeElement), tabs.length, "ArrowLeft", "ArrowRight");
  if (next === null) return;
  event.preventDefault();
  tabs[next].focus();
}

function moveInMenu(event, menu) {
  if (event.target.matches("input, select")) return;
  const items = [menu.querySelector("summary"), ...menu.querySelectorAll(".menu-body :is(a, button)")];
  const next = step(event.key, items.indexOf(document.activeElement), items.length, "ArrowUp", "ArrowDown");
  if (next === null) return;
  event.preventDefault();
  items[next].focus();
}

/** The place to go to in a row of `count`, round the corner; null when the key is none of ours. */
export function step(key, index, count, back, forth) {
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  if (key === back) return (index - 1 + count) % count;
  return key === forth ? (index + 1) % count : null;
}

function searchIn(field) {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  const root = field.closest("[data-sheet-part]") ?? document;
  for (const item of root.querySelectorAll("[data-text]")) {
    item.hidden = !words.every((word) => item.dataset.text.includes(word));
  }
}
