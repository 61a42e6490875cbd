/**
 * Look for the order of one-letter names that compresses best, and write letters.json.
 *
 *     node letters.mjs [rounds]
 *
 * Which letter a variable gets changes nothing but how often the compressor meets the same bytes again.
 * The search starts from the orders that are there. A round takes some 50 ms; 500 regain most after a change of the source.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { brotli, fileName, joined, named, variants } from './bundle.mjs';

const FILE = new URL('letters.json', import.meta.url);
const rounds = Number(process.argv[2] ?? 2000);
const found = JSON.parse(await readFile(FILE, 'utf-8'));

/** @param {number} n */
const below = (n) => Math.floor(Math.random() * n);

/**
 * Exchange two letters, or move one. Those at the front are given out most often.
 * @param {string} letters
 */
function changed(letters) {
  const next = [...letters];
  const [from, to] = [below(1 + below(next.length)), below(next.length)];
  if (below(2)) [next[from], next[to]] = [next[to], next[from]];
  else next.splice(to, 0, ...next.splice(from, 1));
  return next.join('');
}

for (const features of variants) {
  const name = fileName(features);
  const code = await joined(features);
  /** @param {string} letters */
  const size = async (letters) => brotli(await named(code, letters)).length;

  let [letters, bytes] = [found[name], await size(found[name])];
  let [best, least] = [letters, bytes];
  const before = bytes;
  for (let round = 0; round < rounds; round++) {
    const tried = changed(letters);
    const result = await size(tried);
    // A step that costs a byte is taken now and then, less often towards the end: simulated annealing.
    const heat = 0.6 * (1 - round / rounds);
    if (result > bytes && Math.random() >= Math.exp((bytes - result) / heat)) continue;
    [letters, bytes] = [tried, result];
    if (bytes < least) [best, least] = [letters, bytes];
  }
  found[name] = best;
  await writeFile(FILE, `${JSON.stringify(found, null, 2)}\n`);
  console.log(`${name}: ${before} -> ${least} bytes`);
}
