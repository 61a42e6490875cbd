// Events and mappings for the Dub (Actions) destination: [subscription, event].

const P = (path) => ({ '@path': path })
export const LEAD = 'type = "track" and event = "Sign Up"'
export const SALE = 'type = "track" and event = "Order Completed"'
const trait = (name) => ({ '@if': { exists: P(`$.context.traits.${name}`), then: P(`$.context.traits.${name}`), else: P(`$.properties.${name}`) } })
const leadDefaults = {
  clickId: P('$.integrations.Dub (Actions).dub_id'), eventName: P('$.event'), externalId: P('$.userId'), eventQuantity: P('$.properties.quantity'),
  customerName: trait('name'), customerEmail: trait('email'), customerAvatar: trait('avatar'), metadata: P('$.properties'),
}
const saleDefaults = {
  externalId: P('$.userId'), amount: P('$.properties.revenue'), eventName: P('$.event'), invoiceId: P('$.properties.order_id'),
  currency: P('$.properties.currency'), metadata: P('$.properties.products'),
}
const leadGuide = { ...leadDefaults, clickId: P('$.context.traits.clickId') }
const saleGuide = { ...saleDefaults, paymentProcessor: P('$.properties.payment_processor'), leadEventName: P('$.properties.lead_event_name') }

const lead = (mapping, subscribe = LEAD) => ({ partnerAction: 'trackLead', subscribe, mapping })
const sale = (mapping, subscribe = SALE) => ({ partnerAction: 'trackSale', subscribe, mapping })

const signUp = {
  type: 'track', event: 'Sign Up', userId: 'user_42', messageId: 'm1', properties: { plan: 'pro' },
  context: { traits: { name: 'Ada Lovelace', email: 'ada@example.com', avatar: 'https://example.com/ada.png', clickId: 'clk_1' } },
  integrations: { All: true, 'Dub (Actions)': { dub_id: 'clk_2' } },
}
const order = {
  type: 'track', event: 'Order Completed', userId: 'user_42', messageId: 'm2', context: {},
  properties: { payment_processor: 'stripe', order_id: 'ORD_123', currency: 'USD', revenue: 1000 }, integrations: { All: true },
}
const values = ['text', '', ' ', '  \n', 0, 1, -1, 42, 1.5, 49.99, -0, 1e21, 1e-7, 12345678901234567890, 0.1, true, false, null, {}, { a: 1 }, { a: null, b: '', c: { d: null } }, [], ['one'], [5], [true], [null], [''], [' '], [[1]], ['a', 'b'], [{}],
  '12.50', ' 7 ', '1e3', '0x10', '0b11', '0o17', '0x', '+5', '-5', '.5', '5.', '0012', '\u00a07', '\ufeff7\u2003', 'Infinity', '-Infinity', '+Infinity', 'infinity', 'NaN', '1,000', '$1', '12abc', '1_000', '١٢', '-0x10', '1e400', '--5', '5e', '0', '00', '-0', '12345678901234567890', '😀', 'ünï']
const emails = ['ada@example.com', 'Ada.Lovelace+x@sub.example.co.uk', 'a@b', 'a@b.c', 'a@1.2', '@example.com', 'ada@', 'ada', 'a b@example.com', 'ada@example..com', '.ada@example.com', 'ada.@example.com', 'a..b@example.com', "o'hara@example.com", 'ada@-example.com', 'ada@example-.com', 'ada@exam_ple.com',
  'ada@example.com\n', ' ada@example.com', 'ADA@EXAMPLE.COM', 'ada@example.\u212aom', 'ada@example.co\u017f', 'ada@éxample.com', '"ada"@example.com', 'ada@[127.0.0.1]', 'ada@127.0.0.1', 'ada@example.com.', 'a'.repeat(200) + '@example.com', '#!$%&*/=?^`{|}~@example.com', 'ada@xn--bcher-kva.example', 'a@b.c-d', 'a@b.-', 'ada@@example.com', 5, true, ['ada@example.com'], ['x'], [null]]

const base = { lead: { clickId: 'c', eventName: 'n', externalId: 'x' }, sale: { externalId: 'x', amount: 1, paymentProcessor: 'stripe' } }
const fields = {
  lead: ['clickId', 'eventName', 'externalId', 'eventQuantity', 'customerName', 'customerAvatar', 'metadata'],
  sale: ['externalId', 'amount', 'paymentProcessor', 'eventName', 'leadEventName', 'invoiceId', 'currency', 'metadata'],
}
const pattern = { clickId: 0, eventName: 1, externalId: 2, customerName: 3, customerAvatar: 4, paymentProcessor: 0, leadEventName: 1, invoiceId: 2, currency: 3 }
// every value for a number and an object; text fields share the values among them
const tries = ['lead', 'sale'].flatMap((kind) =>
  fields[kind].flatMap((field) =>
    values
      .filter((_, i) => pattern[field] === undefined || (kind === 'sale') === (field !== 'amount') || i % 2 === pattern[field] % 2)
      .filter((_, i) => pattern[field] === undefined || i % 3 === pattern[field] % 3)
      .map((value) => [(kind === 'lead' ? lead : sale)({ ...base[kind], [field]: P('$.properties.v') }), { ...(kind === 'lead' ? signUp : order), properties: { v: value } }]),
  ),
)
const address = emails.map((value) => [lead({ ...base.lead, customerEmail: P('$.properties.v') }), { ...signUp, properties: { v: value } }])

const without = (event, ...keys) => Object.fromEntries(Object.entries(event).filter(([key]) => !keys.includes(key)))
const withTraits = (traits) => ({ ...signUp, context: { traits } })
const withProperties = (event, properties) => ({ ...event, properties: { ...event.properties, ...properties } })
const stories = [
  ...[lead(leadDefaults), lead(leadGuide)].flatMap((mapping) =>
    [signUp, without(signUp, 'integrations'), without(signUp, 'context'), without(signUp, 'userId'), without(signUp, 'properties'), { ...signUp, event: 'sign up' }, { ...signUp, type: 'identify' }, { ...signUp, userId: 42 }, { ...signUp, userId: null }, { ...signUp, userId: '' },
      { ...signUp, context: null }, { ...signUp, context: 'text' }, { ...signUp, context: { personas: null, traits: signUp.context.traits } }, { ...signUp, context: { personas: { computation_class: 'audience', computation_key: 'k' } } }, { ...signUp, context: [] }, { ...signUp, context: {} },
      { ...signUp, integrations: { 'Dub (Actions)': { dub_id: 5 } } }, { ...signUp, integrations: { 'Dub (Actions)': { dub_id: '' } } }, { ...signUp, integrations: { 'Dub (Actions)': true } }, { ...signUp, properties: {} }, { ...signUp, properties: [] }, { ...signUp, properties: ['x'] }, { ...signUp, properties: 'x' }, { ...signUp, properties: null },
      withTraits({ name: '', email: '', avatar: null }), withTraits({ name: null }), withTraits({ name: ['Ada'], email: ['ada@example.com'] }), withTraits({ name: 5, email: 5 }), withTraits({ email: 'nobody' }), withTraits(null), withTraits('x'), withProperties(signUp, { name: 'P', email: 'p@example.com', avatar: 'a' }),
      withProperties({ ...signUp, context: { traits: { name: null } } }, { name: 'P', email: 'p@example.com', avatar: 'a' }), withProperties({ ...signUp, context: { traits: { name: '' } } }, { name: 'P' }), withProperties(signUp, { quantity: 3 }), withProperties(signUp, { quantity: 'abc' }), withProperties(signUp, { quantity: '2' }), withProperties(signUp, { quantity: 0 }),
      withProperties(signUp, { 10: 'ten', 2: 'two', a: [1, null, { b: '' }], n: 1e21, t: 1e-7, u: 'ü😀\u2028\u007f\u0001' })].map((event) => [mapping, event])),
  ...[sale(saleDefaults), sale(saleGuide), sale({ ...saleDefaults, paymentProcessor: 'stripe' })].flatMap((mapping) =>
    [order, without(order, 'properties'), without(order, 'userId'), without(order, 'context'), withProperties(order, { revenue: 49.99 }), withProperties(order, { revenue: '49.99' }), withProperties(order, { revenue: 'free' }), withProperties(order, { revenue: null }), withProperties(order, { revenue: 0 }), withProperties(order, { revenue: false }), withProperties(order, { revenue: [1000] }), withProperties(order, { revenue: {} }),
      withProperties(order, { products: [] }), withProperties(order, { products: [{ sku: 'a' }] }), withProperties(order, { products: { sku: 'a' } }), withProperties(order, { products: null }), withProperties(order, { products: '' }), withProperties(order, { products: 'x' }), withProperties(order, { currency: '', order_id: 5 }), withProperties(order, { currency: ['usd'], order_id: true }),
      withProperties(order, { payment_processor: 'Stripe', lead_event_name: 'Sign Up' }), withProperties(order, { payment_processor: ['stripe'], lead_event_name: {} }), { ...order, context: null }, { ...order, event: 'Order completed' }].map((event) => [mapping, event])),
]
const both = lead({ a: 1, b: { c: 2 }, ...leadGuide })
const shapes = [
  [both, signUp], [lead({}), signUp], [sale({}), order], [{ partnerAction: 'dubPlugin', subscribe: LEAD, mapping: {} }, signUp], [{ partnerAction: 'dubPlugin', subscribe: LEAD, mapping: {} }, order], [{ partnerAction: 'nothing', subscribe: LEAD, mapping: {} }, signUp],
  [lead(P('$.properties')), { ...signUp, properties: base.lead }], [lead(P('$.properties')), { ...signUp, properties: [1] }], [lead(P('$.properties')), { ...signUp, properties: [] }], [lead(P('$.properties')), { ...signUp, properties: 'x' }], [lead(P('$.properties')), { ...signUp, properties: '' }], [lead(P('$.properties')), { ...signUp, properties: null }], [lead(P('$.properties')), { ...signUp, properties: 5 }], [lead(P('$.properties')), { ...signUp, properties: true }], [lead(P('$.nothing')), signUp],
  [lead({ ...base.lead, dynamicAuthSettings: { a: 1 } }), signUp], [lead({ dynamicAuthSettings: 'x', ...base.lead }), signUp], [lead({ dynamicAuthSettings: null, ...base.lead }), signUp], [lead({ dynamicAuthSettings: '', ...base.lead }), signUp], [lead({ dynamicAuthSettings: P('$.nothing'), ...base.lead }), signUp], [lead({ dynamicAuthSettings: [P('$.nothing'), 1e21], ...base.lead }), signUp],
  [lead({ metadata: { z: 1, a: [P('$.nothing'), null] }, externalId: 'x', eventName: 'n', clickId: 'c' }), signUp], [lead({ ...base.lead, metadata: [P('$.nothing')] }), signUp], [lead({ ...base.lead, customerName: [P('$.nothing')] }), signUp], [lead({ ...base.lead, eventQuantity: [P('$.nothing')] }), signUp], [lead({ ...base.lead, customerName: [[P('$.nothing')]] }), signUp],
  [lead({ ...base.lead, clickId: { '@if': { exists: '' } } }), signUp], [lead({ ...base.lead, clickId: { '@path': 5 } }), signUp], [lead({ ...base.lead, clickId: [{ '@nope': 5 }] }), signUp], [lead({ ...base.lead, clickId: { '@nope': 5 } }), signUp], [sale({ ...base.sale, amount: { '@template': '{{properties.revenue}}' } }), order], [sale({ ...base.sale, amount: { '@template': '{{properties.nothing}}' } }), order],
  [sale({ externalId: {}, amount: 'x', metadata: [] }), order], [sale({ metadata: [], amount: 'x', currency: {}, invoiceId: [], externalId: [1, 2] }), order], [lead({ customerEmail: 'x', metadata: 5, eventQuantity: {}, clickId: [] }), signUp], [lead({ customerEmail: {}, customerName: {} }), signUp],
  ...['type = "track"', 'type = "page"', 'event = "Order Completed"', 'type = "track" and', 'type =', '', 'x', 'properties.revenue >= 1000', 'properties.revenue > 1000', 'userId != null', 'contains(event, "Order")'].map((subscribe) => [sale(saleGuide, subscribe), order]),
  [{ partnerAction: 'trackSale', mapping: saleGuide }, order], [{ partnerAction: 'trackSale', subscribe: 5, mapping: saleGuide }, order],
]

export const deliveries = [...tries, ...address, ...stories, ...shapes]

export const randomDeliveries = (random, count) => {
  const { pick, chance } = random
  const any = () => (chance(0.15) ? pick(emails) : pick(values))
  const some = (object) => Object.fromEntries(Object.entries(object).filter(() => chance(0.85)))
  const event = (template) => ({
    ...template,
    ...some({ userId: chance(0.7) ? template.userId : any(), event: chance(0.8) ? template.event : any(), context: chance(0.8) ? { traits: some({ name: any(), email: chance(0.5) ? pick(emails) : any(), avatar: any(), clickId: any() }) } : any() }),
    properties: chance(0.9) ? some({ v: any(), revenue: any(), quantity: any(), name: any(), email: pick(emails), order_id: any(), currency: any(), products: any(), payment_processor: any() }) : any(),
    integrations: chance(0.8) ? template.integrations : { 'Dub (Actions)': { dub_id: any() } },
  })
  const source = () => pick([P('$.properties.v'), P('$.properties'), any(), P('$.userId'), trait('name'), { '@template': '{{properties.v}}' }, { '@template': '{{properties.v}}{{userId}}' }])
  const mapping = (defaults, keys) => ({ ...some(defaults), ...Object.fromEntries(random.times(3, () => [pick(keys), source()])) })
  return Array.from({ length: count }, () =>
    chance(0.5)
      ? [lead(mapping(pick([leadDefaults, leadGuide, base.lead]), [...fields.lead, 'customerEmail', 'other', 'dynamicAuthSettings'])), event(signUp)]
      : [sale(mapping(pick([saleDefaults, saleGuide, base.sale]), [...fields.sale, 'other'])), event(order)],
  )
}
