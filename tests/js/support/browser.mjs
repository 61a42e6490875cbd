/**
 * As much of a browser as the script's modules touch, so that Node can load them one by one.
 * What only a real one can show (frames, navigation, policies) is in tests/browser.
 */
import { readFileSync } from 'node:fs';
import { register } from 'node:module';

// A module asked for with a query is loaded afresh, and so is everything it imports.
register(`data:text/javascript,${encodeURIComponent(`
  export const resolve = async (specifier, context, next) => {
    const found = await next(specifier, context);
    const { search } = new URL(context.parentURL ?? found.url);
    return search && specifier[0] == '.' && !found.url.includes('?') ? { ...found, url: found.url + search } : found;
  };
`)}`);

/** @param {string} name */
export const table = (name) =>
  Object.entries(JSON.parse(readFileSync(new URL(`../../support/${name}.json`, import.meta.url), 'utf-8')));

/** A cookie store for one host, as RFC 6265 §5.3 has it; two scopes of one name are two cookies. */
export class CookieJar {
  /** @type {Map<string, {name: string, value: string, attributes: Record<string, string>}>} */
  #cookies = new Map();
  /** Every text that was written. @type {string[]} */
  writes = [];

  get text() {
    return [...this.#cookies.values()].map(({ name, value }) => `${name}=${value}`).join('; ');
  }

  set text(written) {
    this.writes.push(written);
    const [pair, ...rest] = written.split(';');
    const [, name, value] = pair.trim().match(/^([^=]*)=(.*)$/);
    const attributes = Object.fromEntries(
      rest.map((part) => part.trim().match(/^([^=]*)=?(.*)$/)).map(([, key, text]) => [key.toLowerCase(), text]),
    );
    const scope = `${name} ${(attributes.domain ?? '').replace(/^\./, '')} ${attributes.path ?? '/'}`;
    const isGone = attributes['max-age'] <= 0 || Date.parse(attributes.expires) <= Date.now();
    if (isGone) this.#cookies.delete(scope);
    else this.#cookies.set(scope, { name, value, attributes });
  }

  /** @param {string} name */
  all(name) {
    return [...this.#cookies.values()].filter((cookie) => cookie.name == name);
  }

  /** @param {string} name */
  get(name) {
    return this.all(name)[0];
  }
}

/**
 * `data-*` attributes as an element's `dataset` has them.
 * @param {Record<string, string>} attributes
 */
const dataset = (attributes) =>
  Object.fromEntries(
    Object.entries(attributes).map(([name, text]) => [
      name.slice('data-'.length).replace(/-([a-z])/g, (_, letter) => letter.toUpperCase()),
      text,
    ]),
  );

let loads = 0;

/**
 * Open a page and load one of the script's modules in it.
 * @param {string} module file in static/src, without `.js`
 * @param {{
 *   url?: string, attributes?: Record<string, string>, cookies?: string[] | CookieJar, storage?: object,
 *   features?: string, prerendering?: boolean, answer?: (path: string, body: any) => any, globals?: object,
 * }} page `answer` gives what the API answers: an object, `{status, body}`, or it throws
 */
export async function open(module, page = {}) {
  const jar = page.cookies instanceof CookieJar ? page.cookies : new CookieJar();
  if (Array.isArray(page.cookies)) page.cookies.forEach((text) => (jar.text = text));
  jar.writes.length = 0;
  const location = new URL(page.url ?? 'https://shop.test/');
  /** @type {any[]} */ const requests = [];
  /** @type {string[]} */ const warnings = [];
  const events = new EventTarget();
  const document = {
    currentScript: { dataset: dataset(page.attributes ?? {}) },
    prerendering: page.prerendering,
    referrer: 'https://blog.test/',
    get cookie() {
      return jar.text;
    },
    set cookie(text) {
      jar.text = text;
    },
    querySelectorAll: () => [],
    addEventListener: events.addEventListener.bind(events),
  };
  const go = (/** @type {any} */ _state, /** @type {string} */ _title, /** @type {string} */ to) => {
    if (to != null) location.href = new URL(to, location).href;
  };
  const globals = {
    document,
    location,
    navigator: {},
    history: { state: null, pushState: go, replaceState: go },
    sessionStorage: page.storage ?? {},
    addEventListener: events.addEventListener.bind(events),
    MutationObserver: class {
      observe() {}
    },
    fetch: async (/** @type {string} */ url, /** @type {any} */ init) => {
      const request = { url, ...init, body: JSON.parse(init.body) };
      requests.push(request);
      const found = await (page.answer ?? (() => ({})))(url.replace(/^.*\/track\//, ''), request.body);
      const { status, body } = found.status ? found : { status: 200, body: found };
      return new Response(typeof body == 'string' ? body : JSON.stringify(body), { status });
    },
    dubAnalytics: undefined,
    DubAnalytics: undefined,
    _dubAnalytics: undefined,
    window: globalThis,
    ...Object.fromEntries(
      ['site-visit', 'outbound-domains', 'conversion-tracking'].map((name) => [
        name.toUpperCase().replace('-', '_'),
        (page.features ?? '').includes(name),
      ]),
    ),
    ...page.globals,
  };
  for (const [name, value] of Object.entries(globals))
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  console.warn = (message) => warnings.push(message);
  const loaded = await import(new URL(`../../../static/src/${module}.js?load=${++loads}`, import.meta.url).href);
  return { ...loaded, document, jar, location, requests, warnings, events, storage: globals.sessionStorage };
}

/** Let promises that are ready run. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));
