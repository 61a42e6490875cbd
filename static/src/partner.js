import { getCookie, setCookie } from './cookies.js';
import { CLICK, PARTNER } from './names.js';
import { parsed } from './parse.js';

/**
 * Name and image are stored encoded, as Dub's script does.
 * @param {(text: string) => string} code
 * @returns {(key: string, value: any) => any}
 */
const recode = (code) => (key, value) => (value && /^(name|image)$/.test(key) ? code(value) : value);

/** @param {Answer} answer */
export const publish = ({ partner = null, discount = null }) =>
  Object.assign((window.DubAnalytics ||= /** @type {any} */ ({})), { partner, discount });

/**
 * Publish and keep the partner of a click, or forget that of an earlier one.
 * @param {Answer} answer
 */
export const setPartner = (answer) => {
  publish(answer);
  // Encoded once more as a whole: quotes and commas make server-side parsers drop a cookie, or its neighbours.
  setCookie(PARTNER, answer.partner ? encodeURIComponent(JSON.stringify(answer, recode(encodeURIComponent))) : '');
};

/** Publish the partner kept from an earlier page, unless it came with an earlier click. */
export const restorePartner = () =>
  parsed(PARTNER, () => {
    const stored = getCookie(PARTNER) || 'null';
    const answer = JSON.parse(stored[0] == '{' ? stored : decodeURIComponent(stored), recode(decodeURIComponent));
    if (answer) setPartner(answer.clickId == (getCookie(CLICK) || answer.clickId) ? answer : {});
  });
