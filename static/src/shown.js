/**
 * Settled when a page that was made ready in advance is shown: before, it is no visit.
 * @type {Promise<unknown> | false | undefined} nothing where the page is shown already
 */
export const shown =
  document.prerendering && new Promise((resolve) => document.addEventListener('prerenderingchange', resolve));
