import { data, optedOut } from './config.js';
import { getCookie, setCookie } from './cookies.js';
import { CLICK } from './names.js';
import { setPartner } from './partner.js';

/** May anything be stored or sent? A click id that is there already shows consent given before. */
export let allowed = !optedOut && !(data.consent && !getCookie(CLICK));

/** @type {undefined | ((value?: any) => void)} */
let decide;
/** Settled when the visitor has answered, or need not be asked. */
export const decided = allowed || optedOut || new Promise((resolve) => (decide = resolve));

/**
 * Take the visitor's answer. The browser's opt-out stands above it.
 * @param {boolean} yes
 */
export const setConsent = (yes) => {
  allowed = yes && !optedOut;
  if (!yes) {
    setCookie(CLICK, '');
    setPartner({});
  }
  decide?.();
};
