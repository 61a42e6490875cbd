import { clickId } from './click-id.js';
import { ask, settled } from './clicks.js';
import { publishableKey } from './config.js';
import { allowed, decided } from './consent.js';
import { parked } from './parked.js';
import { shown } from './shown.js';
import { post } from './transport.js';
import { warn } from './warn.js';

/** Where calls outlive a navigation. */
const STORAGE = 'dub_pending';

/**
 * @param {any} input
 * @param {string} path
 * @returns {Promise<Answer>} the API's, also when that is an error
 */
const track = async (input, path) => {
  /** @type {[string, any]} */
  const item = [path, input];
  /** @type {any} */
  let body;
  /** @type {Promise<any> | undefined} */
  let pause = settled;
  for (let attempt = 1; ; attempt++) {
    parked.add(item);
    await pause;
    // Gone with the next page meanwhile: this one came back from the back/forward cache.
    if (!parked.delete(item)) await new Promise(() => {});
    body ||= { ...input, clickId: input?.clickId ?? (clickId() || '') };
    // A sale without invoice id counts each time it arrives: it goes again only when it was turned away.
    const once = body.amount && !body.invoiceId;
    /** @type {any} */
    const answer = await post(path, body, publishableKey);
    if (!answer.error) return answer;
    if (attempt > 2 || !allowed || (answer.status != 429 && (once || answer.status < 500))) {
      warn(`${path} failed: ${answer.error.message || answer.error}`);
      return answer;
    }
    pause = new Promise((resolve) => setTimeout(resolve, attempt * 1e3));
  }
};

/** @param {any} input */
export const trackLead = (input) => track(input, 'lead/client');

/** @param {any} input */
export const trackSale = (input) => track(input, 'sale/client');

/** Take over what the page before could not send, and leave to the next one what this one cannot. */
export const carryOver = async () => {
  addEventListener('pagehide', () => {
    if (allowed && parked.size) sessionStorage[STORAGE] = JSON.stringify([...parked]);
    parked.clear();
  });
  await shown;
  await decided;
  try {
    const handedOn = JSON.parse(sessionStorage[STORAGE] || '[]');
    delete sessionStorage[STORAGE];
    for (const [path, input] of handedOn) (input?.url ? ask : track)(input, path);
  } catch {
    // storage is closed to this page
  }
};
