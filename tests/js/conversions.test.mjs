/** `trackLead` and `trackSale`: what is sent, what is tried again, and what outlives the page. */
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

import { open, settled } from './support/browser.mjs';

const KEY = 'dub_pk_abcdefghijklmnop';
const KEPT = ['dub_id=c1;domain=.shop.test'];
const attributes = { 'data-publishable-key': KEY };
const conversions = { features: 'conversion-tracking', attributes, cookies: KEPT };
const busy = { status: 503, body: { error: { code: 'internal_server_error', message: 'busy' } } };

/** Let every pause between two attempts pass. */
async function fastForward() {
  for (let second = 0; second < 5; second++) {
    await settled();
    mock.timers.tick(1000);
  }
  await settled();
}

test('a lead carries the click id and the key, outlives the page and answers what Dub answered', async () => {
  const { requests } = await open('index', { ...conversions, answer: () => ({ customer: { name: 'Ada' } }) });
  const input = { eventName: 'Sign Up', customerExternalId: '42' };
  const answer = await globalThis.dubAnalytics.trackLead(input);
  assert.equal(answer.customer.name, 'Ada');
  const [{ url, method, headers, keepalive, body }] = requests;
  assert.deepEqual([url, method, keepalive], ['https://api.dub.co/track/lead/client', 'POST', true]);
  assert.deepEqual(headers, { 'Content-Type': 'application/json', Authorization: `Bearer ${KEY}` });
  assert.deepEqual(body, { ...input, clickId: 'c1' });
});

test('conversions go through the relay, clicks to the API', async () => {
  const { requests } = await open('index', {
    ...conversions,
    attributes: { ...attributes, 'data-relay': '/_dub', 'data-domains': '{"refer":"go.shop.test"}' },
  });
  await globalThis.dubAnalytics.trackClick({ key: 'ada' });
  await globalThis.dubAnalytics.trackSale({ amount: 4900 });
  assert.deepEqual(
    requests.map(({ url }) => url),
    ['https://api.dub.co/track/click', '/_dub/track/sale/client'],
  );
});

test('the click id is the caller’s, the cookie’s or empty, never left out', async (t) => {
  const rows = [
    [KEPT, { clickId: 'mine' }, 'mine'],
    [KEPT, { clickId: undefined }, 'c1'],
    [KEPT, { clickId: '' }, ''],
    [['dub_id=a b'], {}, ''],
    [[], undefined, ''],
  ];
  for (const [cookies, input, expected] of rows)
    await t.test(`${cookies} ${JSON.stringify(input)}`, async () => {
      const { requests } = await open('index', { ...conversions, cookies });
      await globalThis.dubAnalytics.trackLead(input);
      assert.equal(requests[0].body.clickId, expected);
    });
});

test('a lead waits for the click that is under way', async () => {
  let arrive;
  const { requests } = await open('index', {
    ...conversions,
    cookies: [],
    url: 'https://shop.test/?via=ada',
    attributes: { ...attributes, 'data-domains': '{"refer":"go.shop.test"}' },
    answer: (path) => (path == 'click' ? new Promise((resolve) => (arrive = resolve)) : {}),
  });
  const lead = globalThis.dubAnalytics.trackLead({ customerExternalId: '42' });
  await settled();
  assert.equal(requests.length, 1);
  arrive({ clickId: 'fresh' });
  await lead;
  assert.equal(requests[1].body.clickId, 'fresh');
});

test('a refusal is the answer, told in the console, and not repeated', async () => {
  const refusal = { error: { code: 'bad_request', message: 'Unknown customer' } };
  const { requests, warnings } = await open('index', {
    ...conversions,
    answer: () => ({ status: 400, body: refusal }),
  });
  const answer = await globalThis.dubAnalytics.trackLead({});
  assert.deepEqual(answer.error, refusal.error);
  assert.equal(requests.length, 1);
  assert.deepEqual(warnings, ['[dubAnalytics] lead/client failed: Unknown customer']);
});

test('what failed is tried three times, and never rejects', async (t) => {
  const throws = () => {
    throw new TypeError('Failed to fetch');
  };
  const rows = [
    ['a lead, 503', 'trackLead', {}, () => busy, 3],
    ['a lead, 429', 'trackLead', {}, () => ({ status: 429, body: { error: {} } }), 3],
    ['a lead, no JSON', 'trackLead', {}, () => ({ status: 502, body: '<html>' }), 3],
    ['a lead, offline', 'trackLead', {}, throws, 3],
    ['a sale with invoice, 503', 'trackSale', { amount: 1, invoiceId: 'i' }, () => busy, 3],
    // it may have been counted
    ['a sale without invoice, 503', 'trackSale', { amount: 1 }, () => busy, 1],
    ['a sale without invoice, offline', 'trackSale', { amount: 1 }, throws, 1],
    // it was turned away
    ['a sale without invoice, 429', 'trackSale', { amount: 1 }, () => ({ status: 429, body: { error: {} } }), 3],
  ];
  mock.timers.enable({ apis: ['setTimeout'] });
  for (const [name, method, input, answer, expected] of rows)
    await t.test(name, async () => {
      const { requests, warnings } = await open('index', { ...conversions, answer });
      const result = globalThis.dubAnalytics[method](input);
      await fastForward();
      assert.ok((await result).error);
      assert.equal(requests.length, expected);
      assert.equal(warnings.length, 1);
    });
  mock.timers.reset();
});

test('a second attempt that succeeds is the answer', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  let asked = 0;
  const { warnings } = await open('index', { ...conversions, answer: () => (asked++ ? { ok: true } : busy) });
  const result = globalThis.dubAnalytics.trackLead({});
  await fastForward();
  assert.equal((await result).ok, true);
  assert.deepEqual(warnings, []);
  mock.timers.reset();
});

test('what waits when the page goes is sent by the next one', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const first = await open('index', { ...conversions, answer: () => busy });
  globalThis.dubAnalytics.trackLead({ customerExternalId: '42' });
  await settled();
  first.events.dispatchEvent(new Event('pagehide'));
  assert.deepEqual(Object.keys(first.storage), ['dub_pending']);
  await fastForward();
  assert.equal(first.requests.length, 1);
  mock.timers.reset();

  const { requests, storage } = await open('index', { ...conversions, storage: first.storage });
  await settled();
  assert.deepEqual(
    requests.map(({ url, body }) => [url.replace(/.*track/, ''), body.customerExternalId]),
    [['/lead/client', '42']],
  );
  assert.deepEqual(storage, {});
});

test('a click whose answer the page did not live to see is asked for again, as it was', async () => {
  const first = await open('index', {
    ...conversions,
    cookies: [],
    url: 'https://shop.test/?via=ada',
    attributes: { ...attributes, 'data-domains': '{"refer":"go.shop.test"}' },
    answer: () => new Promise(() => {}),
  });
  await settled();
  first.events.dispatchEvent(new Event('pagehide'));
  const { requests, jar } = await open('index', {
    ...conversions,
    cookies: [],
    url: 'https://shop.test/next',
    storage: first.storage,
    answer: () => ({ clickId: 'late' }),
  });
  await settled();
  assert.deepEqual(requests[0].body, first.requests[0].body);
  assert.equal(jar.get('dub_id').value, 'late');
});

test('a click that the address has outdone is not asked for again', async () => {
  const { events, storage } = await open('index', {
    ...conversions,
    url: 'https://shop.test/?via=ada&dub_id=landed',
    attributes: { ...attributes, 'data-domains': '{"refer":"go.shop.test"}' },
    answer: () => new Promise(() => {}),
  });
  await settled();
  events.dispatchEvent(new Event('pagehide'));
  assert.deepEqual(storage, {});
});

test('calls without input are handed on like any other', async () => {
  const storage = { dub_pending: '[["lead/client",null],["lead/client",{"customerExternalId":"42"}]]' };
  const { requests } = await open('index', { ...conversions, storage });
  await settled();
  assert.deepEqual(
    requests.map(({ body }) => body),
    [{ clickId: 'c1' }, { customerExternalId: '42', clickId: 'c1' }],
  );
});

test('what an earlier page left waits for the consent of this one', async () => {
  const storage = { dub_pending: '[["lead/client",{"customerExternalId":"42"}]]' };
  const asking = { ...conversions, cookies: [], attributes: { ...attributes, 'data-consent': 'required' }, storage };
  const first = await open('index', asking);
  await settled();
  first.events.dispatchEvent(new Event('pagehide'));
  assert.deepEqual([first.requests, Object.keys(storage)], [[], ['dub_pending']]);

  const { requests } = await open('index', asking);
  globalThis.dubAnalytics.consent(true);
  await settled();
  await settled();
  assert.deepEqual([requests.length, storage], [1, {}]);
});

test('after a no, nothing is left to a later page', async () => {
  const { events, storage } = await open('index', { ...conversions, answer: () => busy });
  globalThis.dubAnalytics.trackLead({ customerExternalId: '42' });
  await settled();
  globalThis.dubAnalytics.consent(false);
  events.dispatchEvent(new Event('pagehide'));
  assert.deepEqual(storage, {});
});

test('storage that is closed or spoilt stops nothing', async (t) => {
  const closed = new Proxy(
    {},
    {
      get() {
        throw new Error('SecurityError');
      },
    },
  );
  for (const [name, storage] of Object.entries({ closed, spoilt: { dub_pending: '{' } }))
    await t.test(name, async () => {
      const { requests } = await open('index', { ...conversions, storage });
      await globalThis.dubAnalytics.trackLead({});
      assert.equal(requests.length, 1);
    });
});

test('without a publishable key the console says what is missing', async () => {
  const { warnings } = await open('index', { features: 'conversion-tracking' });
  assert.deepEqual(warnings, ['[dubAnalytics] Missing PUBLISHABLE_KEY']);
});
