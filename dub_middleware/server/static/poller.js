// When to ask for news: every 2 s, less and less often when it has been quiet for long or while it fails.
export const SHORTEST = 2000;
export const PATIENCE = 150; // quiet answers in a row: five minutes
const LONGEST_QUIET = 10_000;
const LONGEST_FAILING = 30_000;

/** The milliseconds to wait after an outcome: "news", "quiet" (for the how many-th time in a row) or "failed". */
export function nextDelay(delay, outcome, quiet = 0) {
  if (outcome === "failed") return Math.min(delay * 2, LONGEST_FAILING);
  if (outcome === "news" || quiet <= PATIENCE) return SHORTEST;
  return Math.min(delay * 1.5, LONGEST_QUIET);
}

/**
 * Ask again and again: `ask(signal)` resolves to "news", "more" (ask at once) or "quiet", and rejects on failure.
 * `tell(state)` hears "live", "paused" or "failing". Stands still while the page is hidden.
 */
export class Poller {
  #ask;
  #tell;
  #timer;
  #delay = SHORTEST;
  #quiet = 0;
  #isAsking = false;
  #isPaused = false;
  #stopper = new AbortController();

  constructor(ask, tell) {
    this.#ask = ask;
    this.#tell = tell;
  }

  /** Ask in a moment, and go on from there. */
  start() {
    this.#wait(SHORTEST);
  }

  /** Ask now, whatever the delay is: somebody is back. */
  now() {
    this.#quiet = 0;
    return this.#poll();
  }

  async #poll() {
    clearTimeout(this.#timer);
    if (this.#isStopped || this.#isPaused || this.#isAsking || globalThis.document?.hidden) return;
    this.#isAsking = true;
    const outcome = await this.#ask(this.#stopper.signal).catch(() => "failed");
    this.#isAsking = false;
    if (this.#isStopped) return;
    if (!this.#isPaused) this.#tell(outcome === "failed" ? "failing" : "live");
    this.#quiet = outcome === "quiet" ? this.#quiet + 1 : 0;
    this.#delay = nextDelay(this.#delay, outcome === "more" ? "news" : outcome, this.#quiet);
    this.#wait(outcome === "more" ? 0 : this.#delay);
  }

  get isPaused() {
    return this.#isPaused;
  }

  pause(isPaused) {
    this.#isPaused = isPaused;
    this.#tell(isPaused ? "paused" : "live");
    this.#delay = SHORTEST;
    this.now();
  }

  /** Ask no more; what is under way comes to nothing. */
  stop() {
    this.#stopper.abort();
    clearTimeout(this.#timer);
  }

  get #isStopped() {
    return this.#stopper.signal.aborted;
  }

  #wait(delay) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#poll(), delay);
  }
}
