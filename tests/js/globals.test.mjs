/** What the page sees: `dubAnalytics`, `DubAnalytics`, `_dubAnalytics`, with and without a stub. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { outboundHosts } from '../../static/src/outbound-hosts.js';
import { open, settled } from './support/browser.mjs';

const KEY = 'dub_pk_abcdefghijklmnop';

/** The queue that Dub's snippet makes before any script has come. */
function stub() {
  const dubAnalytics = (...args) => dubAnalytics.q.push(args);
  dubAnalytics.q = [];
  for (const name of ['trackClick', 'trackLead', 'trackSale'])
    dubAnalytics[name] = (...args) => dubAnalytics.q.push([name, ...args]);
  return dubAnalytics;
}

test('the short keys hold what Dub’s script holds', async () => {
  await open('index', {
    url: 'https://www.shop.test/?via=ada',
    features: 'conversion-tracking',
    attributes: {
      'data-api-host': '/_dub',
      'data-publishable-key': KEY,
      'data-domains': '{"refer":"go.shop.test","outbound":"b.test,c.test"}',
    },
  });
  const { c, qm, ...rest } = globalThis._dubAnalytics;
  assert.deepEqual(rest, {
    i: 'dub_id',
    h: 'www.shop.test',
    a: '/_dub',
    d: 'go.shop.test',
    v: 'ada',
    n: { refer: 'go.shop.test', outbound: 'b.test,c.test' },
    k: KEY,
  });
  c.set('x', '1');
  assert.equal(c.get('x'), '1');
  assert.deepEqual(Object.keys(qm), ['queue', 'process', 'flush']);
});

test('the methods are there without a stub, and so is the object for partners', async () => {
  await open('index', { features: 'conversion-tracking', attributes: { 'data-publishable-key': KEY } });
  for (const name of ['ready', 'trackClick', 'trackLead', 'trackSale', 'consent'])
    assert.equal(typeof globalThis.dubAnalytics[name], 'function', name);
  assert.deepEqual(globalThis.DubAnalytics, { partner: null, discount: null });
});

test('an object for partners that is there already is kept', async () => {
  const existing = { partner: null, discount: null };
  await open('index', { globals: { DubAnalytics: existing } });
  assert.equal(globalThis.DubAnalytics, existing);
});

test('what the stub has queued is done, in order', async () => {
  const dubAnalytics = stub();
  const done = [];
  dubAnalytics('ready', () => done.push('ready'));
  dubAnalytics.trackClick({ domain: 'go.shop.test', key: 'ada' });
  dubAnalytics.trackLead({ customerExternalId: '1' });
  const { requests } = await open('index', {
    features: 'conversion-tracking',
    attributes: { 'data-publishable-key': KEY },
    globals: { dubAnalytics },
    answer: (path) => (done.push(path), { clickId: 'c1' }),
  });
  await settled();
  await settled();
  assert.deepEqual(done.sort(), ['click', 'lead/client', 'ready']);
  assert.equal(requests[1].body.clickId, 'c1');
});

test('who still holds the stub, or puts it back, reaches the methods', async () => {
  const dubAnalytics = stub();
  await open('index', { globals: { dubAnalytics } });
  const called = [];
  dubAnalytics('ready', () => called.push('held'));
  globalThis.dubAnalytics = stub();
  globalThis.dubAnalytics('ready', () => called.push('put back'));
  await settled();
  assert.deepEqual(called, ['held', 'put back']);
});

test('ready waits for the click that is under way, and for nothing else', async () => {
  let arrive;
  const called = [];
  await open('index', {
    url: 'https://shop.test/?via=ada',
    attributes: { 'data-domains': '{"refer":"go.shop.test"}' },
    answer: () => new Promise((resolve) => (arrive = resolve)),
  });
  globalThis.dubAnalytics.ready(() => called.push(globalThis.DubAnalytics.partner?.name));
  await settled();
  assert.deepEqual(called, []);
  arrive({ clickId: 'c1', partner: { name: 'Ada', image: null } });
  await settled();
  await settled();
  assert.deepEqual(called, ['Ada']);

  await open('index');
  globalThis.dubAnalytics('ready', () => called.push('nothing to wait for'));
  await settled();
  assert.equal(called.length, 2);
});

test('a method that does not exist, or not in this variant, is told and throws nothing', async () => {
  const { warnings } = await open('index');
  await globalThis.dubAnalytics('trackEverything');
  await globalThis.dubAnalytics('trackLead', {});
  await globalThis.dubAnalytics.trackSale({});
  assert.deepEqual(warnings, [
    '[dubAnalytics] Unknown method: trackEverything',
    '[dubAnalytics] Unknown method: trackLead',
    '[dubAnalytics] Unknown method: trackSale',
  ]);
});

test('included twice it runs once', async () => {
  const page = { url: 'https://shop.test/?via=ada', attributes: { 'data-domains': '{"refer":"go.shop.test"}' } };
  const first = await open('index', page);
  const { requests } = await open('index', { ...page, globals: { dubAnalytics: globalThis.dubAnalytics } });
  await settled();
  assert.deepEqual([first.requests.length, requests.length], [1, 0]);
});

test('a trackClick without arguments asks for the link that the address names', async () => {
  const { requests } = await open('index', { attributes: { 'data-domains': '{"refer":"go.shop.test"}' } });
  await globalThis.dubAnalytics.trackClick();
  assert.equal(requests[0].body.domain, 'go.shop.test');
});

test('hosts are outbound by name, by wildcard, with or without www', async (t) => {
  const rows = [
    ['b.test', 'b.test', true],
    ['b.test', 'www.b.test', true],
    ['www.b.test', 'b.test', true],
    ['b.test', 'a.b.test', false],
    ['b.test', 'notb.test', false],
    ['*.b.test', 'a.b.test', true],
    ['*.b.test', 'deep.a.b.test', true],
    ['*.b.test', 'b.test', true],
    ['*.b.test', 'notb.test', false],
    [' a.test , b.test ', 'b.test', true],
    ['https://B.test:8443/path', 'b.test', true],
    ['shop.test', 'shop.test', false],
    ['*.test', 'shop.test', false],
    ['*.test', 'www.shop.test', false],
    ['*.test', 'b.test', true],
    ['', 'b.test', false],
    [[], 'b.test', false],
    [['a.test', 'b.test'], 'b.test', true],
  ];
  for (const [domains, host, expected] of rows)
    await t.test(`${JSON.stringify(domains)} ${host}`, () =>
      assert.equal(outboundHosts(domains, 'www.shop.test')(host), expected));
});
