/**
 * Pass on what can be a click id: it ends up in a cookie, in links and in API calls.
 * @param {any} text
 * @returns {string | false}
 */
export const validClickId = (text) => /^[\w-]{1,64}$/.test(text || '') && text;
