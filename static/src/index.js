import { settled, trackClick } from './clicks.js';
import { apiHost, domains, publishableKey } from './config.js';
import { decided, setConsent } from './consent.js';
import { carryOver, trackLead, trackSale } from './conversions.js';
import { getCookie, setCookie } from './cookies.js';
import { readAddress, watchAddress } from './landing.js';
import { linkKey } from './link-key.js';
import { CLICK } from './names.js';
import { watchLinks } from './outbound.js';
import { publish } from './partner.js';
import { shown } from './shown.js';
import { warn } from './warn.js';

/** @type {Record<string, any>} */
const methods = {
  ready: async (/** @type {() => void} */ callback) => {
    await settled;
    callback();
  },
  trackClick,
  consent: (/** @type {boolean} */ yes) => {
    setConsent(yes);
    readAddress();
  },
  trackLead: CONVERSION_TRACKING && trackLead,
  trackSale: CONVERSION_TRACKING && trackSale,
};

/**
 * `dubAnalytics(method, …)`
 * @param {string} method
 * @param {any[]} args
 */
const dubAnalytics = async (method, ...args) => {
  if (method != 'consent') {
    if (shown) await shown;
    await decided;
  }
  return methods[method] ? methods[method](...args) : warn(`Unknown method: ${method}`);
};

/** @param {any} item a method's name and arguments */
const process = (item) => dubAnalytics(.../** @type {[string]} */ (item));

// Included twice, or in two variants: the first one is at work.
if (!window.dubAnalytics?.consent) {
  const queue = window.dubAnalytics?.q || [];
  queue.splice(0).forEach(process);
  // Whoever still holds the stub, or puts it back, reaches the methods through its queue.
  queue.push = process;
  for (const name in methods) /** @type {any} */ (dubAnalytics)[name] = dubAnalytics.bind(null, name);
  /** @type {any} */ (dubAnalytics).q = queue;
  // Dub's own script would take this for a stub and replace it: a value that is set later is passed over.
  Reflect.defineProperty(window, 'dubAnalytics', { get: () => dubAnalytics, set: () => {}, configurable: true });
  // A stub that was declared (`function dubAnalytics() {…}`) refuses that, and is replaced.
  window.dubAnalytics = dubAnalytics;
  window._dubAnalytics = {
    c: { get: getCookie, set: setCookie },
    qm: { queue, process, flush: () => {} },
    i: CLICK,
    h: location.hostname,
    a: apiHost,
    d: domains.refer,
    v: linkKey(),
    n: domains,
    k: publishableKey || null,
  };
  if (!window.DubAnalytics) publish({});
  readAddress();
  watchAddress();
  if (OUTBOUND_DOMAINS) watchLinks();
  if (CONVERSION_TRACKING) {
    if (!publishableKey) warn('Missing PUBLISHABLE_KEY');
    carryOver();
  }
}
