import { parsed } from './parse.js';

/** @param {string} name */
export const attribute = (name) => document.currentScript?.getAttribute(`data-${name}`);

/** @param {string} name */
const json = (name) => parsed(`data-${name}`, () => JSON.parse(attribute(name) || 'null'));

/** @type {{refer?: string | null, site?: string, outbound?: string | string[]}} */
export const domains = { refer: attribute('short-domain'), ...json('domains') };
/** @type {Record<string, any>} */
export const cookieOptions = json('cookie-options') || {};
/** Query parameters that name a link, best first. @type {string[]} */
export const queryParams = [attribute('query-param') || json('query-params') || [], 'via'].flat();
export const apiHost = attribute('api-host') || 'https://api.dub.co';
/** Where conversions go when not to the API itself. */
export const relay = /* @__PURE__ */ attribute('relay') || apiHost;
export const publishableKey = /* @__PURE__ */ attribute('publishable-key');
export const firstClick = attribute('attribution-model') == 'first-click';
export const cleanUrl = attribute('clean-url') != null;
/** The browser's own opt-out, where the site honours it. */
export const optedOut = attribute('respect-gpc') != null && navigator.globalPrivacyControl;
