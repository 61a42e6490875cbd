/** Cookies, landing, attribution models, consent and partners: what a page load stores, and when. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CookieJar, open, settled } from './support/browser.mjs';

const LANDING = 'https://shop.test/?dub_id=new';
const KEPT = ['dub_id=kept;domain=.shop.test;path=/'];
const PARTNER = {
  clickId: 'c1',
  partner: { id: 'pn_1', name: 'Jane, "JD" Doe; é', image: 'https://a.test/?b=c;d' },
  discount: { id: 'disc_1', amount: 20, type: 'percentage', maxDuration: null },
};
const encoded = encodeURIComponent;
/** As Dub's own script writes it. */
const RAW = JSON.stringify({
  ...PARTNER,
  partner: { ...PARTNER.partner, name: encoded(PARTNER.partner.name), image: encoded(PARTNER.partner.image) },
});

test('a click is kept for 90 days, on the domain and all below it', async () => {
  const { jar } = await open('index', { url: 'https://www.shop.test/?dub_id=new' });
  assert.deepEqual(jar.get('dub_id').attributes, {
    domain: '.shop.test',
    path: '/',
    samesite: 'Lax',
    secure: 'true',
    'max-age': '7776000',
  });
});

test('over http on localhost the cookie is host-only and not secure', async () => {
  const { jar } = await open('index', { url: 'http://localhost:5000/?dub_id=new' });
  assert.deepEqual(Object.keys(jar.get('dub_id').attributes).sort(), ['max-age', 'path', 'samesite']);
});

test('the options of the cookie are laid over the defaults', async (t) => {
  const rows = [
    ['{"expiresInDays":60}', 'max-age', '5184000'],
    ['{"expiresInDays":0}', 'max-age', '7776000'],
    [`{"expiresInDays":${3601 / 86400}}`, 'max-age', '3601'],
    ['{"max-age":3600}', 'max-age', '3600'],
    ['{"expires":"Fri, 31 Dec 2100 23:59:59 GMT"}', 'max-age', undefined],
    ['{"domain":null}', 'domain', undefined],
    ['{"domain":".b.test"}', 'domain', '.b.test'],
    ['{"secure":false}', 'secure', undefined],
    ['{"sameSite":"None"}', 'samesite', 'None'],
    ['{"path":"/a"}', 'path', '/a'],
  ];
  for (const [options, name, value] of rows)
    await t.test(options, async () => {
      const { jar } = await open('index', { url: LANDING, attributes: { 'data-cookie-options': options } });
      assert.equal(jar.get('dub_id').attributes[name], value);
    });
});

test('what the server has set is not written again', async () => {
  const { jar } = await open('index', { url: 'https://shop.test/?dub_id=kept', cookies: KEPT });
  assert.deepEqual(jar.writes, []);
});

test('a new click replaces a host-only twin that would hide it', async () => {
  const { jar } = await open('index', { url: LANDING, cookies: ['dub_id=old;path=/'] });
  assert.deepEqual(
    jar.all('dub_id').map(({ value }) => value),
    ['new'],
  );
});

test('a cookie value may have an equals sign in it', async () => {
  const { getCookie } = await open('cookies', { cookies: ['xa=0', 'a=b=c', 'ab=1'] });
  assert.equal(getCookie('a'), 'b=c');
  assert.equal(getCookie('b'), undefined);
});

test('the attribution model decides between two clicks', async (t) => {
  for (const [model, expected] of Object.entries({ 'first-click': 'kept', 'last-click': 'new', nonsense: 'new' }))
    await t.test(model, async () => {
      const attributes = { 'data-attribution-model': model };
      const { jar } = await open('index', { url: LANDING, cookies: KEPT, attributes });
      assert.equal(jar.get('dub_id').value, expected);
    });
});

test('first-click keeps the click, also from an explicit trackClick, and still learns the partner of its own', async () => {
  const attributes = { 'data-attribution-model': 'first-click', 'data-domains': '{"refer":"go.shop.test"}' };
  const { jar } = await open('index', {
    url: 'https://shop.test/?via=ada',
    cookies: ['dub_id=c1;domain=.shop.test'],
    attributes,
    answer: (_, { key }) => (key == 'ada' ? PARTNER : { clickId: 'c2', partner: { name: 'Eve' } }),
  });
  await settled();
  assert.equal(globalThis.DubAnalytics.partner.id, 'pn_1');
  await globalThis.dubAnalytics.trackClick({ domain: 'go.shop.test', key: 'eve' });
  assert.equal(jar.get('dub_id').value, 'c1');
  assert.equal(globalThis.DubAnalytics.partner.id, 'pn_1');
});

test('a link key of the address is asked for once, with what Dub wants to know', async () => {
  const url = 'https://shop.test/a?via=ada#b';
  const attributes = { 'data-domains': '{"refer":"go.shop.test"}', 'data-api-host': '/_dub' };
  const { jar, requests } = await open('index', { url, attributes, answer: () => ({ clickId: 'c1' }) });
  globalThis.dubAnalytics.trackClick();
  await settled();
  assert.equal(requests.length, 1);
  const [{ url: asked, method, headers, keepalive, body }] = requests;
  assert.deepEqual([asked, method, keepalive], ['/_dub/track/click', 'POST', true]);
  assert.deepEqual(headers, { 'Content-Type': 'application/json' });
  assert.deepEqual(body, { url, referrer: 'https://blog.test/', domain: 'go.shop.test', key: 'ada' });
  assert.equal(jar.get('dub_id').value, 'c1');
});

test('the click of the address stands above the one the API makes', async () => {
  const { jar } = await open('index', {
    url: 'https://shop.test/?via=ada&dub_id=landed',
    attributes: { 'data-domains': '{"refer":"go.shop.test"}' },
    answer: () => ({ clickId: 'asked' }),
  });
  await settled();
  assert.equal(jar.get('dub_id').value, 'landed');
});

test('it stands above that of a link the page itself asks for, also where the address is cleaned', async () => {
  const q = [['trackClick', { domain: 'go.shop.test', key: 'ada' }]];
  const { jar, requests } = await open('index', {
    url: 'https://shop.test/?dub_id=landed',
    attributes: { 'data-clean-url': 'true' },
    globals: { dubAnalytics: { q } },
    answer: () => ({ clickId: 'asked' }),
  });
  await settled();
  await settled();
  assert.equal(requests[0].body.url, 'https://shop.test/?dub_id=landed');
  assert.equal(jar.get('dub_id').value, 'landed');
  assert.equal(location.search, '');
});

test('a later page of a single-page app brings its own click', async () => {
  const { jar } = await open('index', {
    url: 'https://shop.test/?dub_id=landed',
    attributes: { 'data-domains': '{"refer":"go.shop.test"}' },
    answer: () => ({ clickId: 'later' }),
  });
  history.pushState({}, '', '/?via=ada');
  await settled();
  assert.equal(jar.get('dub_id').value, 'later');
});

test('an answer that is no click leaves everything as it was', async (t) => {
  const rows = {
    'bad id': () => ({ clickId: 'a;b' }),
    'no id': () => ({}),
    html: () => ({ status: 502, body: '<html>' }),
    refused: () => ({ status: 404, body: { error: { code: 'not_found', message: 'no' } } }),
    offline: () => {
      throw new TypeError('Failed to fetch');
    },
  };
  for (const [name, answer] of Object.entries(rows))
    await t.test(name, async () => {
      const { jar } = await open('index', {
        url: 'https://shop.test/?via=ada',
        attributes: { 'data-domains': '{"refer":"go.shop.test"}' },
        answer,
      });
      await settled();
      assert.equal(jar.text, '');
    });
});

test('a site visit is recorded only where nothing else brings a click', async (t) => {
  const both = '{"refer":"go.shop.test","site":"shop.test"}';
  const rows = [
    ['https://shop.test/', both, [], ['visit']],
    ['https://shop.test/', '{"refer":"go.shop.test"}', [], []],
    ['https://shop.test/?via=ada', both, [], ['click']],
    ['https://shop.test/?via=ada', '{"site":"shop.test"}', [], ['visit']],
    ['https://shop.test/', both, KEPT, []],
    [LANDING, both, [], []],
  ];
  for (const [url, domains, cookies, expected] of rows)
    await t.test(`${url} ${domains} ${cookies}`, async () => {
      const { requests } = await open('index', {
        url,
        cookies,
        features: 'site-visit',
        attributes: { 'data-domains': domains },
      });
      await settled();
      assert.deepEqual(
        requests.map((request) => request.url.replace(/.*\//, '')),
        expected,
      );
    });
});

test('a page of a single-page app is read like one that was loaded', async () => {
  const { jar } = await open('index', { url: 'https://shop.test/' });
  history.pushState({}, '', '/a?dub_id=pushed');
  assert.equal(jar.get('dub_id').value, 'pushed');
  history.replaceState({}, '', '/b?dub_id=replaced');
  assert.equal(jar.get('dub_id').value, 'replaced');
});

test('the click id leaves the address bar where that is wanted', async () => {
  const url = 'https://shop.test/?a=b c&dub_id=new#top';
  const { jar, location } = await open('index', { url, attributes: { 'data-clean-url': 'true' } });
  await settled();
  assert.equal(location.href, 'https://shop.test/?a=b%20c#top');
  assert.equal(jar.get('dub_id').value, 'new');
  assert.equal((await open('index', { url })).location.href, new URL(url).href);
});

test('a page that is made ready in advance is no visit before it is shown', async () => {
  const { events, jar } = await open('index', { url: LANDING, prerendering: true });
  assert.equal(jar.text, '');
  events.dispatchEvent(new Event('prerenderingchange'));
  await settled();
  assert.equal(jar.get('dub_id').value, 'new');
});

test('without consent nothing is stored or sent until the page says yes', async () => {
  const { jar, requests, storage } = await open('index', {
    url: 'https://shop.test/?dub_id=new&via=ada',
    attributes: { 'data-consent': 'required', 'data-domains': '{"refer":"go.shop.test"}' },
  });
  let isReady = false;
  globalThis.dubAnalytics.ready(() => (isReady = true));
  globalThis.dubAnalytics.trackClick();
  await settled();
  assert.deepEqual([jar.writes, requests, storage, isReady], [[], [], {}, false]);
  globalThis.dubAnalytics.consent(true);
  await settled();
  await settled();
  assert.equal(jar.get('dub_id').value, 'new');
  assert.equal(requests.length, 1);
  assert.ok(isReady);
});

test('a cookie of the server shows that consent was given before', async () => {
  const { jar } = await open('index', { url: LANDING, cookies: KEPT, attributes: { 'data-consent': 'required' } });
  assert.equal(jar.get('dub_id').value, 'new');
});

test('a visitor who takes consent back is forgotten, and stays so', async () => {
  const { jar, requests } = await open('index', {
    url: 'https://shop.test/',
    cookies: [...KEPT, `dub_partner_data=${encoded(RAW)};domain=.shop.test`],
    attributes: { 'data-domains': '{"refer":"go.shop.test"}' },
  });
  globalThis.dubAnalytics.consent(false);
  await settled();
  assert.equal(jar.text, '');
  assert.deepEqual(globalThis.DubAnalytics, { partner: null, discount: null });
  history.pushState({}, '', '/?dub_id=again&via=ada');
  await settled();
  assert.deepEqual([jar.text, requests], ['', []]);
});

test('the opt-out of the browser is heeded where the site heeds it, whatever the page says', async () => {
  const page = { url: LANDING, globals: { navigator: { globalPrivacyControl: true } } };
  const { jar } = await open('index', { ...page, attributes: { 'data-respect-gpc': 'true' } });
  globalThis.dubAnalytics.consent(true);
  await settled();
  assert.equal(jar.text, '');
  assert.equal((await open('index', page)).jar.get('dub_id').value, 'new');
});

test('a partner is published as it is and stored so that no parser trips', async () => {
  const { jar } = await open('index', {
    url: 'https://shop.test/?via=jane',
    attributes: { 'data-domains': '{"refer":"go.shop.test"}' },
    answer: () => PARTNER,
  });
  await settled();
  const { partner, discount } = PARTNER;
  assert.deepEqual(globalThis.DubAnalytics, { partner, discount });
  assert.match(jar.get('dub_partner_data').value, /^[\w%.!~*'()-]+$/);
  assert.equal(decodeURIComponent(jar.get('dub_partner_data').value), RAW);
});

test('the partner of an earlier page comes back decoded, from either form', async (t) => {
  const answers = { 'as ours': encoded(RAW), 'as Dub’s': RAW.replaceAll(';', '%3B') };
  for (const [name, stored] of Object.entries(answers))
    await t.test(name, async () => {
      await open('index', { cookies: ['dub_id=c1', `dub_partner_data=${stored}`] });
      assert.deepEqual(globalThis.DubAnalytics.partner, PARTNER.partner);
    });
});

test('a partner who came with an earlier click is forgotten', async () => {
  const jar = new CookieJar();
  jar.text = 'dub_id=c1;domain=.shop.test';
  jar.text = `dub_partner_data=${encoded(RAW)};domain=.shop.test`;
  await open('index', { url: LANDING, cookies: jar });
  assert.equal(jar.text, 'dub_id=new');
  assert.deepEqual(globalThis.DubAnalytics, { partner: null, discount: null });
});

test('a broken partner cookie costs the partner, not the script', async () => {
  const { warnings, jar } = await open('index', { url: LANDING, cookies: ['dub_partner_data=%7Bbroken'] });
  assert.equal(warnings.length, 1);
  assert.match(warnings[0], /Failed to parse dub_partner_data/);
  assert.equal(jar.get('dub_id').value, 'new');
});
