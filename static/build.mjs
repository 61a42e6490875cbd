/**
 * Build dist/: the eight variants of the script, each with its brotli and gzip twin.
 *
 *     node build.mjs           write them
 *     node build.mjs --check   fail when a committed file differs from what the source gives
 */
import { readFile, writeFile } from 'node:fs/promises';
import { brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib';
import { brotli, fileName, joined, named, variants } from './bundle.mjs';

const HERE = new URL('.', import.meta.url);
const letters = JSON.parse(await readFile(new URL('letters.json', HERE), 'utf-8'));

const check = process.argv.includes('--check');
let stale = 0;
for (const features of variants) {
  const name = fileName(features);
  const code = Buffer.from(await named(await joined(features), letters[name]));
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
