/**
 * The domain of the cookies: the host and all below it, without `www.`.
 * Single labels, IP addresses and hosts with a trailing dot get none: there browsers differ.
 * The server writes the same, so that both always hit one and the same cookie.
 * @param {string} host
 * @returns {string | undefined} nothing for a host-only cookie
 */
export const cookieDomain = (host) => host.replace(/^(www\.)?/, '.').match(/.+\.[a-z][^.]*$/)?.[0];
