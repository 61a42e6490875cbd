import { cookieDomain } from './cookie-domain.js';
import { cookieOptions } from './config.js';

/**
 * Read a cookie; the first one when several match, as the server does.
 * @param {string} name
 * @returns {string | undefined}
 */
export const getCookie = (name) => document.cookie.match(`(^|; )${name}=([^;]*)`)?.[2];

/**
 * Store a cookie, unless it is there already: Safari keeps what a script wrote for 7 days only,
 * what the server wrote for as long as it said.
 * @param {string} name
 * @param {string} value empty to delete
 */
export const setCookie = (name, value) => {
  if (getCookie(name) == value) return;
  /** @type {Record<string, any>} */
  const attributes = {
    domain: cookieDomain(location.hostname),
    path: '/',
    sameSite: 'Lax',
    secure: location.protocol == 'https:',
    'max-age': value ? !cookieOptions.expires && (86400 * (cookieOptions.expiresInDays || 90) + 0.5) | 0 : '0',
    ...cookieOptions,
  };
  // A cookie of this name without Domain would shadow the new one for ever.
  document.cookie = `${name}=;path=/;max-age=0`;
  value = `${name}=${value}`;
  for (const key in attributes) if (attributes[key]) value += `;${key}=${attributes[key]}`;
  document.cookie = value;
};
