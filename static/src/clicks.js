import { clickId, landed, validClickId } from './click-id.js';
import { data, domains } from './config.js';
import { allowed } from './consent.js';
import { setCookie } from './cookies.js';
import { linkKey } from './link-key.js';
import { CLICK } from './names.js';
import { tagLinks } from './outbound.js';
import { parked } from './parked.js';
import { setPartner } from './partner.js';
import { post } from './transport.js';

/** Settled when no click is under way: until then its id may still come. @type {Promise<Answer> | undefined} */
export let settled;

/** @param {string} id */
export const store = (id) => {
  if (data.attributionModel == 'first-click' && clickId()) return;
  setCookie(CLICK, id);
  if (OUTBOUND_DOMAINS) tagLinks();
};

/** What this page load has asked for. @type {Record<string, Promise<Answer>>} */
const asked = {};

/**
 * Ask the API for a click id, once a page load, and keep it unless the address brought one.
 * @param {{domain?: string | null, key?: string | null, url?: string}} link
 * @param {string} path
 */
export const ask = (link, path) =>
  (asked[/** @type {any} */ (link.domain) + link.key] ||= settled =
    (async (before, fromAddress, body) => {
      /** @type {[string, object]} */
      const item = [path, body];
      // Where the address brought a click, no later page needs this answer.
      if (CONVERSION_TRACKING && !fromAddress) parked.add(item);
      await before;
      const answer = await post(path, body);
      if (CONVERSION_TRACKING) parked.delete(item);
      const id = validClickId(answer.clickId);
      if (id && allowed) {
        if (!fromAddress) store(id);
        /** @type {any} */
        const kept = clickId();
        // The partner of a later click is not the one whose click counts.
        if (!kept || kept == id || kept == fromAddress) setPartner({ ...answer, clickId: kept });
      }
      return answer;
    })(settled, landed(), { url: location.href, referrer: document.referrer, ...link }));

/** @param {{domain?: string | null, key?: string | null}} [link] */
export const trackClick = ({ domain = domains.refer, key = linkKey() } = {}) => ask({ domain, key }, 'click');

/** Record a visit that no click led to. */
export const trackVisit = () => ask({ domain: domains.site }, 'visit');
