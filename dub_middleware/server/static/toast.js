// A message at the edge of the screen that goes by itself.
export function toast(text, kind = "done") {
  const shown = document.createElement("div");
  shown.className = `toast ${kind}`;
  shown.setAttribute("role", kind === "failed" ? "alert" : "status");
  shown.textContent = text;
  const box = document.getElementById("toasts");
  box.replaceChildren(...[...box.children].filter((other) => other.textContent !== text), shown);
  setTimeout(() => shown.remove(), kind === "failed" ? 8000 : 3000);
}
