"""A stand-in for Dub's own script: it writes what that one writes, and takes over a stub as that one does."""

from __future__ import annotations

#: the address's click id as it is, on "." + host without "www.", for 90 days, on every load
OFFICIAL = """
(() => {
  const host = location.hostname;
  const domain = host == 'localhost' ? '' : '; domain=.' + host.replace(/^www\\./, '');
  const set = (name, value) => {
    const expires = new Date(Date.now() + 90 * 864e5).toUTCString();
    document.cookie = name + '=' + value + domain + '; path=/; sameSite=Lax; expires=' + expires;
  };
  const get = (name) => document.cookie.split(';').map((c) => c.trim().split('='))
    .find(([key]) => key == name)?.[1];
  const id = new URLSearchParams(location.search).get('dub_id');
  window.DubAnalytics = window.DubAnalytics || { partner: null, discount: null };
  if (window.dubAnalytics) {
    const q = window.dubAnalytics.q || [];
    window.dubAnalytics = Object.assign(() => {}, { q, ready: (f) => f(), trackClick() {} });
  }
  window._dubAnalytics = { c: { get, set }, i: 'dub_id', h: host };
  if (id) set('dub_id', id);
  window.officialRan = true;
})();
"""
