/** Every variant is smaller than Dub's own, as a browser fetches it: brotli 11. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';

const DIST = new URL('../../static/dist/', import.meta.url);

/** Bytes at brotli 11: of the official file, and the most that ours may have. Raise the second for a reason only. */
const SIZES = {
  'script.js': [1463, 1461],
  'script.site-visit.js': [1575, 1493],
  'script.outbound-domains.js': [2014, 1943],
  'script.conversion-tracking.js': [1893, 1891],
  'script.site-visit.outbound-domains.js': [2099, 1963],
  'script.site-visit.conversion-tracking.js': [1986, 1911],
  'script.outbound-domains.conversion-tracking.js': [2422, 2362],
  'script.site-visit.outbound-domains.conversion-tracking.js': [2507, 2379],
};

test('every variant is smaller than the official one, and within its budget', (t) => {
  t.diagnostic(`${'bytes'.padEnd(60)}brotli  official  gzip   raw`);
  for (const [name, [official, most]] of Object.entries(SIZES)) {
    const [raw, gzip, brotli] = ['', '.gz', '.br'].map((suffix) => readFileSync(new URL(name + suffix, DIST)));
    const share = `${((brotli.length / official - 1) * 100).toFixed(1)} %`;
    t.diagnostic(
      `${name.padEnd(60)}${`${brotli.length}`.padStart(6)}${`${official}`.padStart(6)} ${share.padStart(8)}` +
        `${`${gzip.length}`.padStart(6)}${`${raw.length}`.padStart(6)}`,
    );
    assert.ok(brotli.length <= most, `${name}: ${brotli.length} bytes, at most ${most} are meant`);
    assert.ok(most < official, `${name}: the official one has ${official}`);
    assert.ok(brotliDecompressSync(brotli).equals(raw), `${name}.br holds something else`);
    assert.ok(gunzipSync(gzip).equals(raw), `${name}.gz holds something else`);
  }
});

test('the documentation has these figures', () => {
  const text = readFileSync(new URL('../../docs/script.md', import.meta.url), 'utf-8');
  const inWords = (/** @type {number} */ bytes) => bytes.toLocaleString('en-US');
  for (const [name, [official]] of Object.entries(SIZES)) {
    const { length } = readFileSync(new URL(`${name}.br`, DIST));
    const row = `| \`${name}\` | ${inWords(length)} | ${inWords(official)} |`;
    assert.ok(text.includes(row), `docs/script.md should say: ${row}`);
  }
});

test('nothing but the eight variants and their twins is built', () => {
  const built = readdirSync(DIST).filter((name) => !name.startsWith('.'));
  const wanted = Object.keys(SIZES).flatMap((name) => [name, `${name}.br`, `${name}.gz`]);
  assert.deepEqual(built.sort(), wanted.sort());
});
