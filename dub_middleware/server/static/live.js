// The word "Live": a page that looks for news by itself, says so, and says when it cannot.
import { Poller } from "./poller.js";
import { receiver } from "./stream.js";
import { refresh, whenReady } from "./swap.js";
import { toast } from "./toast.js";

const WORDS = { live: "Live", paused: "Paused", failing: "Reconnecting…" };
const BETWEEN = 1500; // milliseconds from one redraw of the numbers to the next
const QUARTER = 900_000; // milliseconds; every hour and day of any zone begins with one

let poller = null;
let sign = null;
let isPaused = false;

export function start() {
  whenReady((root) => {
    const found = root.querySelector("[data-live]");
    if (found && found === sign) return;
    poller?.stop();
    deafen();
    [sign, poller] = [found, null];
    if (sign) begin(root);
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-pause]") && poller) pause(!isPaused);
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return deafen();
    listen();
    redrawInTime();
    poller?.now();
  });
  addEventListener("online", () => poller?.now());
  setInterval(redrawInTime, 30_000);
}

function begin(root) {
  sign.hidden = false;
  sign.setAttribute("role", "status");
  const button = root.querySelector("[data-pause]");
  if (button) button.hidden = false;
  else isPaused = false;
  poller = new Poller(asker(sign.dataset, receiver(root) ?? redraw), say);
  if (isPaused) pause(true);
  else say("live");
  poller.start();
  listen();
}

// Where the server has streams to spare, one says at once that there is news; asking goes on all the same.
// A hidden page gives its stream back.
let stream = null;

function listen() {
  if (!sign?.dataset.push || stream || document.hidden) return;
  const url = new URL(sign.dataset.push, location.href);
  url.searchParams.set("after", sign.dataset.cursor);
  stream = new EventSource(url);
  stream.addEventListener("message", () => poller?.now());
}

function deafen() {
  stream?.close();
  stream = null;
}

// one question: what is behind the cursor? The cursor moves on only when the answer has been taken in.
function asker({ poll, cursor }, take) {
  const url = new URL(poll, location.href);
  return async (signal) => {
    url.searchParams.set("after", cursor);
    const response = await fetch(url, { headers: { Accept: "application/json" }, cache: "no-store", signal });
    if (response.status === 204) return "quiet";
    if (response.status === 401) location.reload(); // the session is over; the page knows the way to log in
    if (!response.ok) throw new Error(`The server answers ${response.status}.`);
    const news = await response.json();
    if (signal.aborted) return "quiet";
    await take(news);
    cursor = news.cursor;
    return news.more ? "more" : news.count === 0 ? "quiet" : "news";
  };
}

function pause(wanted) {
  isPaused = wanted;
  document.querySelector("[data-pause]")?.setAttribute("aria-pressed", String(wanted));
  poller.pause(wanted);
}

function say(state) {
  if (state === "failing" && !sign.classList.contains("is-failing")) {
    toast("No answer from the server. Trying again in the background.", "failed");
  }
  if (sign.textContent !== WORDS[state]) sign.textContent = WORDS[state];
  sign.className = `live is-${state}`;
}

let drawnAt = Date.now();
async function redraw() {
  await new Promise((done) => setTimeout(done, Math.max(0, drawnAt + BETWEEN - Date.now())));
  drawnAt = Date.now();
  await refresh(".content");
}

// also where nothing happens, today becomes yesterday; a table of events has no such edges
function redrawInTime() {
  const isOver = Math.floor(Date.now() / QUARTER) !== Math.floor(drawnAt / QUARTER);
  if (isOver && sign && !document.hidden && !document.querySelector("[data-stream]")) redraw().catch(() => {});
}
