/** @param {string} host */
const bare = (host) => host.replace(/^www\./, '');

/**
 * Build the test for hosts whose links carry the click id on.
 * `*.shop.test` stands for shop.test and all below it; `www.` never matters.
 * @param {string | string[]} domains an array, or text with commas
 * @param {string} own this page's host, which is never outbound
 * @returns {(host: string) => boolean}
 */
export const outboundHosts = (domains, own) => {
  const entries = `${domains}`
    .toLowerCase()
    .split(',')
    .map((entry) => bare(entry.replace(/^\s*(\w+:\/\/)?|[:/\s].*$/g, '')));
  return (host) =>
    bare(host) != bare(own) &&
    entries.some((entry) => (entry[0] == '*' ? `.${host}`.endsWith(entry.slice(1)) : entry == bare(host)));
};
