// The dashboard's modules, as far as they need no page.
import assert from "node:assert/strict";
import test from "node:test";

import { beside, nearest } from "../../dub_middleware/server/static/chart.js";
import { holder } from "../../dub_middleware/server/static/keys.js";
import { step } from "../../dub_middleware/server/static/menus.js";
import { nextDelay, PATIENCE, Poller } from "../../dub_middleware/server/static/poller.js";
import { barText, unseen } from "../../dub_middleware/server/static/stream.js";

test("news are asked for every two seconds, less often when it was quiet for long, least while it fails", () => {
  const delays = (outcome, count, quiet) => {
    let delay = 2000;
    return Array.from({ length: count }, () => (delay = nextDelay(delay, outcome, quiet)));
  };
  assert.deepEqual(delays("quiet", 3, PATIENCE), [2000, 2000, 2000]);
  assert.deepEqual(delays("quiet", 6, PATIENCE + 1), [3000, 4500, 6750, 10_000, 10_000, 10_000]);
  assert.deepEqual(delays("failed", 5), [4000, 8000, 16_000, 30_000, 30_000]);
  assert.equal(nextDelay(30_000, "news"), 2000);
});

function polling(outcomes) {
  const [waits, told] = [[], []];
  const poller = new Poller(
    async () => {
      const outcome = outcomes.shift();
      if (outcome instanceof Error) throw outcome;
      return outcome;
    },
    (state) => told.push(state),
  );
  return { poller, waits, told };
}

test("a failure is told, and the next answer ends it", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { poller, told } = polling([new Error("no network"), "quiet", "news"]);
  await poller.now();
  await poller.now();
  assert.deepEqual(told, ["failing", "live"]);
  poller.stop();
});

test("while paused nothing is asked, and going on asks at once", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const outcomes = ["news"];
  const { poller, told } = polling(outcomes);
  poller.pause(true);
  await poller.now();
  assert.equal(outcomes.length, 1);
  poller.pause(false);
  await new Promise(setImmediate);
  assert.equal(outcomes.length, 0);
  assert.deepEqual(told, ["paused", "live", "live"]);
  poller.stop();
});

test("what is under way when the poller stops comes to nothing", async () => {
  let answer;
  const told = [];
  const poller = new Poller((signal) => new Promise((resolve) => (answer = () => resolve(signal.aborted ? "quiet" : "news"))), (state) => told.push(state));
  const asking = poller.now();
  poller.stop();
  answer();
  await asking;
  assert.deepEqual(told, []);
});

test("the nearest bucket is one that there is", () => {
  assert.equal(nearest(0.49, 3), 1);
  assert.equal(nearest(-0.2, 3), 0);
  assert.equal(nearest(1.3, 3), 2);
  assert.equal(nearest(0.9, 24, 11), 11, "no further than now");
  assert.equal(nearest(0.7, 1), 0);
});

test("a tooltip stays inside", () => {
  assert.equal(beside(100, 200, 1000), 112);
  assert.equal(beside(900, 200, 1000), 688);
  assert.equal(beside(50, 200, 220), 0);
});

test("arrow keys go round, others are left alone", () => {
  assert.equal(step("ArrowLeft", 0, 3, "ArrowLeft", "ArrowRight"), 2);
  assert.equal(step("ArrowRight", 2, 3, "ArrowLeft", "ArrowRight"), 0);
  assert.equal(step("End", 0, 3, "ArrowLeft", "ArrowRight"), 2);
  assert.equal(step("ArrowUp", 0, 3, "ArrowLeft", "ArrowRight"), null);
});

test("a key belongs to what carries it", () => {
  const carrying = (keys) => ({ getAttribute: () => keys });
  const [filter, range] = [carrying("f"), carrying("c d")];
  assert.equal(holder([filter, range], "d"), range);
  assert.equal(holder([filter, range], "F"), null);
});

test("a row that is there is not put there again", () => {
  const row = (id) => ({ dataset: { id } });
  assert.deepEqual(unseen([row("3"), row("2"), row("3")], ["2"]).map((found) => found.dataset.id), ["3"]);
  assert.equal(barText(1), "1 new event");
  assert.equal(barText(1200), "1,200 new events");
});
