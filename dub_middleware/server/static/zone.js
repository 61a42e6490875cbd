// Times are those of the reader: the browser's zone on the first visit, then the one that was chosen.
import { recall, remember } from "./small.js";
import { go } from "./swap.js";

export function start() {
  const shown = document.querySelector("[data-zone]");
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (shown && own && !recall("dub_tz")) {
    remember("dub_tz", own);
    if (shown.dataset.zone !== own && !("zoneOwn" in shown.dataset)) go(location.href, { push: false });
  }
  document.addEventListener("click", (event) => {
    const choice = event.target.closest("a[data-zone-name]");
    if (!choice) return;
    event.preventDefault();
    remember("dub_tz", choice.dataset.zoneName);
    choice.closest("dialog")?.close();
    const { without } = choice.closest("[data-zones]").dataset;
    if (choice.closest("dialog")) go(without);
    else location.assign(without);
  });
}
