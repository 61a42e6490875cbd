/**
 * Take the click id out of an address or a query string.
 * All else keeps its bytes: `URLSearchParams` would re-encode it.
 * @param {string} address
 */
export const withoutClickId = (address) =>
  address.replace(/(\?)(dub_id=[^&#]*&)*(?!dub_id=)|[?&]dub_id=[^&#]*/g, '$1');
