import { getCookie } from './cookies.js';
import { parameter } from './link-key.js';
import { CLICK } from './names.js';

/**
 * Pass on what can be a click id: it ends up in a cookie, in links and in API calls.
 * @param {any} text
 * @returns {string | false}
 */
export const validClickId = (text) => /^[\w-]{1,64}$/.test(text || '') && text;

/** The click id that is kept. */
export const clickId = () => validClickId(getCookie(CLICK));

/** The click id that the page's address brings. */
export const landed = () => validClickId(parameter(CLICK));
