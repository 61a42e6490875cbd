import { clickId, landed } from './click-id.js';
import { settled, store, trackClick, trackVisit } from './clicks.js';
import { data, domains } from './config.js';
import { allowed } from './consent.js';
import { linkKey } from './link-key.js';
import { restorePartner } from './partner.js';
import { withoutClickId } from './query.js';
import { shown } from './shown.js';

/** Act on what the page's address brings. */
export const readAddress = async () => {
  if (shown) await shown;
  if (!allowed) return;
  const id = landed();
  if (id) store(id);
  restorePartner();
  if (domains.refer && linkKey()) trackClick();
  else if (SITE_VISIT && domains.site && !clickId()) trackVisit();
  if (id && 'cleanUrl' in data) {
    await settled; // what the page has queued still has to see the address
    history.replaceState(history.state, '', withoutClickId(location.href));
  }
};

/**
 * Read the address again when a single-page app changes it.
 * Not on the way back (`popstate`): those addresses have been read.
 */
export const watchAddress = () =>
  /** @type {const} */ (['pushState', 'replaceState']).forEach((name) => {
    const change = history[name];
    history[name] = (...to) => {
      change.apply(history, to);
      readAddress();
    };
  });
