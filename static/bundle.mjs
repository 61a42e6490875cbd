/** From src/ to the text of one variant: esbuild joins and selects, terser shortens. */
import { brotliCompressSync, constants } from 'node:zlib';
import { build } from 'esbuild';
import { minify } from 'terser';

const FEATURES = ['site-visit', 'outbound-domains', 'conversion-tracking'];

/** The features of each variant, in the order of the file names. */
export const variants = [...Array(2 ** FEATURES.length).keys()].map((bits) =>
  FEATURES.filter((_, i) => bits & (1 << i)),
);

/** @param {string[]} features */
export const fileName = (features) => ['script', ...features, 'js'].join('.');

/** What both steps of terser have to know. */
const language = { ecma: 2020, module: true, format: { ascii_only: true } };

/**
 * Join the modules that these features need; names are still those of the source.
 * @param {string[]} features
 */
export async function joined(features) {
  const { outputFiles } = await build({
    entryPoints: [new URL('src/index.js', import.meta.url).pathname],
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
  const compress = { passes: 3, inline: 1, keep_fargs: false, unsafe_arrows: true, booleans_as_integers: true };
  const { code } = await minify(outputFiles[0].text, { ...language, compress, mangle: false });
  return code;
}

/**
 * Give out short names, and keep them from the page: a block is all the scope that `let` needs.
 * @param {string} code
 * @param {string} letters in the order in which they are given out
 */
export async function named(code, letters) {
  /** @param {number} n */
  const get = (n) => (n < letters.length ? '' : get(Math.floor(n / letters.length) - 1)) + letters[n % letters.length];
  const mangle = { nth_identifier: { get } };
  const { code: short } = await minify(code, { ...language, compress: false, mangle });
  if (!/^var /.test(short) || /^var .*\bvar /s.test(short)) throw new Error('more than one var at the top: it would leak');
  return `{${short.replace(/^var /, 'let ').replace(/;$/, '')}}`;
}

/** @param {string} code */
export const brotli = (code) =>
  [constants.BROTLI_MODE_TEXT, constants.BROTLI_MODE_GENERIC]
    .map((mode) =>
      brotliCompressSync(code, {
        params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_MODE]: mode },
      }),
    )
    .reduce((best, other) => (other.length < best.length ? other : best));
