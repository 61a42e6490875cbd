/** The click id, the cookie's domain, the address and the attributes: as the server reads and writes them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { cookieDomain } from '../../static/src/cookie-domain.js';
import { withoutClickId } from '../../static/src/query.js';
import { open, table } from './support/browser.mjs';

test('the click id of the address is read as the server reads it', async (t) => {
  for (const [name, [query, expected]] of table('click_id_queries'))
    await t.test(name, async () => {
      const { jar } = await open('index', { url: `https://shop.test/?${query}` });
      assert.equal(jar.get('dub_id')?.value ?? null, expected);
    });
});

test('the cookie has the domain that the server gives it', async (t) => {
  for (const [host, expected] of table('cookie_domains'))
    await t.test(host, () => assert.equal(cookieDomain(host) ?? null, expected));
});

test('the click id leaves an address, and everything else keeps its bytes', async (t) => {
  const rows = {
    '/?dub_id=x': '/',
    '/?dub_id=x#top': '/#top',
    '/?dub_id=x&a=1': '/?a=1',
    '/?a=1&dub_id=x': '/?a=1',
    '/?a=1&dub_id=x&b=2': '/?a=1&b=2',
    '/?dub_id=x&dub_id=y&a=1': '/?a=1',
    '/?dub_id=x&dub_id=y': '/',
    '/?a=b c&q=%2f+%C3%A9&dub_id=': '/?a=b c&q=%2f+%C3%A9',
    '/?xdub_id=1': '/?xdub_id=1',
    '/?a=dub_id=1': '/?a=dub_id=1',
    '/dub_id=1': '/dub_id=1',
    '/': '/',
    '': '',
  };
  for (const [address, expected] of Object.entries(rows))
    await t.test(address, () => assert.equal(withoutClickId(address), expected));
});

test('the first parameter that names a link decides, via last', async (t) => {
  const rows = [
    [{}, '?via=ada', 'ada'],
    [{}, '?ref=ada', undefined],
    [{}, '?via=', undefined],
    [{ 'data-query-params': '["ref","by"]' }, '?by=b&via=v', 'b'],
    [{ 'data-query-params': '["ref"]' }, '?ref=&via=v', 'v'],
    [{ 'data-query-param': 'ref', 'data-query-params': '["by"]' }, '?by=b&via=v', 'v'],
    [{ 'data-query-param': 'ref' }, '?ref=r&via=v', 'r'],
  ];
  for (const [attributes, query, expected] of rows)
    await t.test(`${JSON.stringify(attributes)} ${query}`, async () => {
      const { linkKey } = await open('link-key', { url: `https://shop.test/${query}`, attributes });
      assert.equal(linkKey(), expected);
    });
});

test('bad JSON costs the attribute it stands in, and says so', async (t) => {
  const rows = { 'data-domains': 'domains', 'data-cookie-options': 'cookieOptions', 'data-query-params': 'queryParams' };
  for (const [name, told] of Object.entries(rows))
    await t.test(name, async () => {
      const url = 'https://shop.test/?dub_id=abc&via=ada';
      const { jar, warnings } = await open('index', { url, attributes: { [name]: "{'site': 1}" } });
      assert.equal(warnings.length, 1);
      assert.match(warnings[0], new RegExp(`^\\[dubAnalytics\\] Failed to parse ${told}\\. SyntaxError`));
      assert.equal(jar.get('dub_id').value, 'abc');
      assert.equal(globalThis._dubAnalytics.v, 'ada');
    });
});

test('the attributes that Dub has renamed still work', async () => {
  const attributes = { 'data-short-domain': 'old.test', 'data-api-host': '' };
  assert.deepEqual((await open('config', { attributes })).domains, { refer: 'old.test' });
  const both = { ...attributes, 'data-domains': '{"refer":"new.test"}' };
  const { domains, apiHost } = await open('config', { attributes: both });
  assert.deepEqual([domains, apiHost], [{ refer: 'new.test' }, 'https://api.dub.co']);
});

test('the old short domain stands in where the new attribute has none', async () => {
  const attributes = { 'data-short-domain': 'old.test', 'data-domains': '{"site":"s.test"}' };
  await open('index', { attributes, url: 'https://shop.test/?via=ada' });
  assert.equal(globalThis._dubAnalytics.d, 'old.test');
});
