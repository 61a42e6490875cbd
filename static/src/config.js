import { parsed } from './parse.js';

/** What the script's tag says. @type {DOMStringMap} */
export const data = document.currentScript?.dataset || {};

/** @param {string} name */
const json = (name) => parsed(name, () => JSON.parse(data[name] || 'null'));

/** @type {{refer?: string | null, site?: string, outbound?: string | string[]}} */
export const domains = { refer: data.shortDomain, ...json('domains') };
/** @type {Record<string, any>} */
export const cookieOptions = json('cookieOptions') || {};
/** Query parameters that name a link, best first. @type {string[]} */
export const queryParams = [data.queryParam || json('queryParams') || [], 'via'].flat();
export const apiHost = data.apiHost || 'https://api.dub.co';
export const publishableKey = CONVERSION_TRACKING && data.publishableKey;
/** The browser's own opt-out, where the site honours it. */
export const optedOut = 'respectGpc' in data && navigator.globalPrivacyControl;
