import { apiHost, data } from './config.js';
import { allowed } from './consent.js';

/**
 * Send to the tracking API. The request outlives the page (`keepalive`); where conversions wait for it, it has ten seconds.
 * @param {string} path below /track/
 * @param {object} body
 * @param {string | false} [key] publishable key
 * @returns {Promise<Answer & {status?: number}>} never rejects: a failure is an `error` in the answer
 */
export const post = async (path, body, key) => {
  let status;
  try {
    if (!allowed) throw 'consent';
    const response = await fetch(`${(CONVERSION_TRACKING && key && data.relay) || apiHost}/track/${path}`, {
      method: 'POST',
      keepalive: true,
      headers: { 'Content-Type': 'application/json', ...(CONVERSION_TRACKING && key && { Authorization: `Bearer ${key}` }) },
      body: JSON.stringify(body),
      ...(CONVERSION_TRACKING && { signal: AbortSignal.timeout?.(1e4) }),
    });
    if (CONVERSION_TRACKING) status = response.status;
    const answer = await response.json();
    return CONVERSION_TRACKING && !response.ok ? { error: status, ...answer, status } : answer;
  } catch (error) {
    return /** @type {any} */ (CONVERSION_TRACKING ? { error, status } : { error });
  }
};
