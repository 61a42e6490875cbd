// The crosshair of the area chart: pointer, touch and keys. The values are those of the table behind it.
import { whenReady } from "./swap.js";
import { step } from "./menus.js";

/** The bucket nearest to `fraction` (0 left, 1 right) among `count` evenly spaced ones, at most `last`. */
export function nearest(fraction, count, last = count - 1) {
  const index = count > 1 ? Math.round(fraction * (count - 1)) : 0;
  return Math.max(0, Math.min(last, index));
}

/** Where a tooltip of `size` goes beside `at` in a box of `room`: behind it, or before it near the end. */
export function beside(at, size, room, gap = 12) {
  const behind = at + gap;
  return behind + size <= room ? behind : Math.max(0, at - gap - size);
}

let shown = null; // survives a redraw
let putAway = () => {};

export function start() {
  document.addEventListener("pointerdown", (event) => event.target.closest?.("[data-plot]") || putAway());
  whenReady((root) => {
    const chart = root.querySelector("[data-chart]");
    if (!chart) shown = null;
    else if (!chart.dataset.isReady) prepare(chart, root);
  });
}

function prepare(chart, root) {
  chart.dataset.isReady = "1";
  const plot = chart.querySelector("[data-plot]");
  const rows = [...root.querySelectorAll("[data-points] tbody tr")];
  const last = rows.findLastIndex((row) => row.dataset.state !== "future");
  if (last < 0) return;
  const marks = makeMarks(plot);
  const swatch = root.querySelector("[role=tab][aria-selected=true] .metric-name")?.textContent.trim() ?? "";

  const show = (index, isSpoken) => {
    shown = index;
    draw(plot, marks, rows[index].dataset, rows[index].cells[0].textContent, swatch);
    chart.querySelector("[data-last]")?.toggleAttribute("hidden", index !== last);
    if (isSpoken) chart.querySelector("[data-say]").textContent = sentence(rows[index].dataset, rows[index].cells[0].textContent, swatch);
  };
  const hide = () => {
    shown = null;
    for (const mark of Object.values(marks)) mark.hidden = true;
    chart.querySelector("[data-last]")?.removeAttribute("hidden");
  };
  const follow = (event) => {
    const box = plot.getBoundingClientRect();
    show(nearest((event.clientX - box.left) / box.width, rows.length, last));
  };
  plot.addEventListener("pointermove", follow);
  plot.addEventListener("pointerdown", follow);
  // a finger that is lifted leaves; what it showed stays to be read, until it taps elsewhere
  plot.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && document.activeElement !== plot && hide());
  putAway = hide;
  plot.addEventListener("focus", () => plot.matches(":focus-visible") && show(shown ?? last, true));
  plot.addEventListener("blur", hide);
  plot.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && shown !== null) {
      event.preventDefault();
      return hide();
    }
    const at = shown ?? (event.key === "ArrowRight" ? -1 : last + 1);
    const next = step(event.key, at, last + 1, "ArrowLeft", "ArrowRight");
    if (next === null) return;
    event.preventDefault();
    const isOver = (event.key === "ArrowLeft" && at === 0) || (event.key === "ArrowRight" && at === last);
    show(isOver ? at : next, true);
  });
  if (shown !== null) show(Math.min(shown, last));
}

function makeMarks(plot) {
  const marks = {};
  for (const [name, style] of [["cross", "cross"], ["before", "point before"], ["point", "point"], ["tip", "tip"]]) {
    marks[name] = document.createElement("div");
    marks[name].className = style;
    marks[name].hidden = true;
    marks[name].setAttribute("aria-hidden", "true");
    plot.append(marks[name]);
  }
  return marks;
}

function draw(plot, marks, data, label, name) {
  const { width, height } = plot.getBoundingClientRect();
  const [x, y] = [(data.x / 100) * width, (data.y / 100) * height];
  place(marks.cross, x, null);
  place(marks.point, x, y);
  if (data.beforeY) place(marks.before, x, (data.beforeY / 100) * height);
  else marks.before.hidden = true;
  const rows = [row("swatch", name, data.value, data)];
  if (data.before) rows.push(row("swatch pale", data.beforeLabel, data.before));
  marks.tip.replaceChildren(element("div", "tip-date", label), ...rows);
  marks.tip.hidden = false;
  const size = marks.tip.getBoundingClientRect();
  // beside the point where there is room on either side, else above the plot, where no line is hidden
  const isNarrow = width < 2 * size.width + 40;
  const across = isNarrow ? Math.max(0, Math.min(x - size.width / 2, width - size.width)) : beside(x, size.width, width);
  const down = isNarrow ? -size.height - 8 : Math.max(0, Math.min(y - size.height / 2, height - size.height));
  marks.tip.style.translate = `${across}px ${down}px`;
}

function place(mark, x, y) {
  mark.hidden = false;
  mark.style.left = `${x}px`;
  if (y !== null) mark.style.top = `${y}px`;
}

function row(swatch, name, value, { change, direction } = {}) {
  const found = element("div", swatch.includes("pale") ? "tip-row before" : "tip-row");
  found.append(element("span", swatch), element("span", "", name), element("b", "", value));
  if (change) found.append(element("span", `change ${direction}`, `${{ up: "▲ ", down: "▼ " }[direction] ?? ""}${change}`));
  return found;
}

function element(name, style, text = "") {
  const made = document.createElement(name);
  if (style) made.className = style;
  made.textContent = text;
  return made;
}

function sentence(data, label, name) {
  const compared = data.before ? `; ${data.before} on ${data.beforeLabel}` : "";
  return `${label}: ${data.value} ${name}${compared}`;
}
