/**
 * Build dist/: the eight variants of the script, each with its brotli and gzip twin.
 *
 *     node build.mjs           write them
 *     node build.mjs --check   fail when a committed file differs from what the source gives
 */
import { readFile, writeFile } from 'node:fs/promises';
import { brotliCompressSync, brotliDecompressSync, constants, gunzipSync, gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { minify } from 'terser';

const HERE = new URL('.', import.meta.url);
const FEATURES = ['site-visit', 'outbound-domains', 'conversion-tracking'];

/** The order in which identifiers are given out; this one happens to compress best. */
const LETTERS = 'dtnrgph$vSCbkxsXVijqYzePWfuUQcMmOylRNaTGwIEBHFJLADZ_oK';

/** @param {number} n */
function identifier(n) {
  const letter = LETTERS[n % LETTERS.length];
  return n < LETTERS.length ? letter : letter + identifier(Math.floor(n / LETTERS.length) - 1);
}

/** Every combination, in the order of the file names. */
const variants = [...Array(2 ** FEATURES.length).keys()].map((bits) => FEATURES.filter((_, i) => bits & (1 << i)));

/** @param {string[]} features */
async function bundle(features) {
  const { outputFiles } = await build({
    entryPoints: [new URL('src/index.js', HERE).pathname],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2021',
    tsconfigRaw: {},
    minifySyntax: true,
    define: Object.fromEntries(
      FEATURES.map((name) => [name.toUpperCase().replace('-', '_'), `${features.includes(name)}`]),
    ),
  });
  const { code } = await minify(outputFiles[0].text, {
    ecma: 2020,
    module: true,
    compress: { passes: 3, inline: 1, keep_fargs: false, unsafe_arrows: true, booleans_as_integers: true },
    mangle: { nth_identifier: { get: identifier } },
    format: { ascii_only: true },
  });
  return Buffer.from(`(()=>{${code.replace(/;$/, '')}})()`);
}

/** @param {Buffer} code */
const brotli = (code) =>
  [constants.BROTLI_MODE_TEXT, constants.BROTLI_MODE_GENERIC]
    .map((mode) =>
      brotliCompressSync(code, {
        params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_MODE]: mode },
      }),
    )
    .reduce((best, other) => (other.length < best.length ? other : best));

const check = process.argv.includes('--check');
let stale = 0;
for (const features of variants) {
  const name = ['script', ...features, 'js'].join('.');
  const code = await bundle(features);
  const file = new URL(`dist/${name}`, HERE);
  if (!check) {
    await writeFile(file, code);
    await writeFile(new URL(`${file}.br`), brotli(code));
    await writeFile(new URL(`${file}.gz`), gzipSync(code, { level: 9 }));
    continue;
  }
  // Compressors differ from version to version: the twins are compared by what they hold.
  const held = await Promise.all([
    readFile(file),
    readFile(new URL(`${file}.br`)).then((bytes) => brotliDecompressSync(bytes)),
    readFile(new URL(`${file}.gz`)).then((bytes) => gunzipSync(bytes)),
  ]).catch(() => []);
  if (held.length == 3 && held.every((bytes) => bytes.equals(code))) continue;
  console.error(`dist/${name} is not what src/ gives: run "npm run build" and commit the result.`);
  stale++;
}
process.exitCode = stale ? 1 : 0;
