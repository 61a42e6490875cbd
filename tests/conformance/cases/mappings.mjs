// Mappings, and the events they are applied to. "@liquid" has a file of its own.

export const mapped = [
  {},
  {
    type: 'track', event: 'Sign Up', userId: 'user_42', messageId: 'm-1', timestamp: '2026-11-23T20:00:00.000Z',
    context: { traits: { name: 'Ada Lovelace', email: 'ada@example.com', avatar: '', clickId: 'clk_1' }, ip: '1.1.1.1' },
    integrations: { All: true, 'Dub (Actions)': { dub_id: 'clk_1' } },
    properties: {
      plan: 'pro', quantity: 2, revenue: 49.99, zero: 0, no: false, yes: true, nothing: null, empty: '', space: ' \t\n',
      list: [1, 'two', null, [3, [4]], { a: 5 }], none: [], bare: {}, path: '$.properties.plan', huge: 1e21, tiny: 1e-7,
      json: '{"a":[1,2.50,1e3,"\\u00e9"],"b":null}', bad: '{a:1}', tpl: 'Hi {{event}} {{{userId}}}', '{{event}}': 'odd',
      products: [{ sku: 'a', price: 1.5, tags: ['x', 'y'] }, { sku: 'b', price: 0 }, null, 'text', 7],
      nested: { a: { b: { c: 'deep', d: null }, e: [{ f: 1 }, {}] }, '': 'blank key', 'x y': 1, 'dot.ted': 2, 10: 'ten', 2: 'two' },
      'a b': 'spaced', 'quo"te': 'q', length: 'own', limit: 3, with: { empty: 'full' }, unicode: 'Straße İstanbul ΑΣ 😀 ﬁ', digits: '0123456789',
    },
  },
  {
    type: 'track', event: 'Order Completed', userId: 7, properties: {
      order_id: 'ORD_123', currency: 'USD', revenue: '1,000', list: ['only'], items: [['a'], ['b', 'c']], n: -0, one: 1.0,
      f: 0.1, third: 0.3333333333333333, long: 12345678901234567890, million: 1000000, price: '19.99', t: 'true', zero: '0',
      money: '$1.00 + $2.00', dollars: '$& $1', upper: 'ABC abc', kelvin: 'K K ſ s ß', lines: 'a\nb\r\nc', braces: '{{{{a}}}} }}',
    },
  },
  { type: 'identify', userId: null, traits: [{ a: 1 }, { a: 2 }], properties: null, context: 'text', event: ['x', null, [1]] },
  { type: 'page', name: 'Home', event: false, properties: 'a string', userId: 0, context: { traits: null, page: { url: 'https://example.com/?a=1&b=2' } } },
]

const P = (path) => ({ '@path': path })
const paths = ['', '.', '$', '$.', '$.event', 'event', '$.properties', 'properties.plan', '$.properties.quantity', 'properties.$.plan',
  '$.$.event', '$.properties.list[0]', '$.properties.list.1', '$.properties.list[3][1][0]', '$.properties.list[-1]', 'properties.list[a]',
  '$.properties.list.length', '$.properties.plan.length', '$.properties.plan[0]', '$.properties.plan.0', '$.properties.plan.01', '$.event.0.0',
  '$.properties["a b"]', "$.properties['a b']", '$.properties.a b', ' $.event', '$.event ', '$..event', 'properties..plan', '$.Event',
  '$.integrations.Dub (Actions).dub_id', '$.context.traits.name', '$.properties.nested.dot.ted', '$.properties["nested"]["dot.ted"]',
  '$.properties.nested[""]', '$.properties.nested["x y"]', '$.properties.nested.10', '$.properties.zero.deep', '$.properties.no.deep',
  '$.properties.nothing.deep', '$.properties.empty.deep', '$.properties.missing.deep', '$.properties.quantity.deep', '$.properties.yes.deep',
  '$.properties.nested.a.e[0].f', '$.properties.nested.a.e.0.f', 'traits.1.a', 'traits[1].a', 'traits["1"]["a"]', "traits['1'].a", '$.properties.unicode.length',
  '$.properties.unicode[0]', '$.properties.unicode.25', '$.properties.list.4294967295', '$.properties.quo"te', 'a]b', 'properties]plan', '[0]', '["event"]', '$["event"]', '$.["event"]']
const templates = ['', 'plain', '{{event}}', '{{ event }}', '{{$.event}}', '{{{event}}}', 'Hi {{context.traits.name}}!', '{{properties.list}}', '{{properties.nested}}',
  '{{properties.zero}} {{properties.no}} {{properties.nothing}} {{properties.missing}} {{properties.yes}}', '{{properties.revenue}}|{{properties.huge}}|{{properties.tiny}}|{{properties.one}}',
  '{{properties.long}} {{properties.f}} {{properties.third}} {{properties.n}} {{properties.million}}', '{{properties.tpl}}', '{{{properties.tpl}}}', '{{{properties.tpl}}} {{properties.tpl}}',
  '{{}}', '{{ }}', '{{.}}', '{{{.}}}', '{{event', 'event}}', '{{{event}}', '{{event}}}', '{{{{event}}}}', '{{ {event} }}', '{{a}b}}', '{{\u00a0event\ufeff}}', '{{properties.products}}',
  '{{properties.list.length}}{{properties.list[0]}}', "{{properties['a b']}}", '{{properties.{{event}}}}', '{{properties.unicode}}', '{{userId}}-{{type}}', '{{properties.braces}}', '{{{properties.braces}}}', '{{event}}{{event}}']
const conditions = [P('$.event'), P('$.missing'), P('$.properties.nothing'), P('$.properties.zero'), P('$.properties.empty'), P('$.properties.no'), P('$.properties.none'), P('$.properties.bare'),
  P('$.properties.space'), P('$.properties.list'), 'text', ' ', 5, true, [], [''], [null], [[]], [0], {}, { a: 1 }, { '@literal': 0 }, { '@literal': '' }, { '@literal': null }, { '@literal': '0' }, { '@literal': ' ' }]
const branches = ['text', 0, false, '', null, 5, [], {}, P('$.event'), P('$.missing'), { '@literal': 0 }, { '@literal': '' }, [P('$.missing')]]

const each = (name, list) => list.map((value) => ({ f: { [name]: value } }))
const cross = (left, right, make) => left.flatMap((a, i) => right.map((b, j) => [a, b, i + j]).filter(([, , n]) => n % 3 === 0).map(([a, b]) => make(a, b)))

const replaces = [
  { pattern: 'a', value: P('$.properties.upper') }, { pattern: 'a', replacement: 'X', value: P('$.properties.upper') },
  { pattern: 'A', replacement: 'X', value: P('$.properties.upper'), ignorecase: true }, { pattern: 'a', replacement: 'X', value: P('$.properties.upper'), ignorecase: true, global: false },
  { pattern: 'a', value: P('$.properties.upper'), global: false }, { pattern: '$', replacement: '$$', value: P('$.properties.money') }, { pattern: '1', replacement: '$&$&', value: P('$.properties.money') },
  { pattern: '.', replacement: '$`|', value: P('$.properties.money') }, { pattern: '.', replacement: "$'|", value: P('$.properties.money'), global: false }, { pattern: '+', replacement: '$1$0', value: P('$.properties.money') },
  { pattern: ' ', replacement: '$<a>', value: P('$.properties.money') }, { pattern: ' ', replacement: '$', value: P('$.properties.money') }, { pattern: ' ', replacement: '$$$', value: P('$.properties.money') },
  { pattern: '0', replacement: 'o', pattern2: 'o', replacement2: '00', value: P('$.properties.digits') }, { pattern: '0', pattern2: '1', value: P('$.properties.digits') }, { pattern: '0', pattern2: '', replacement2: 'x', value: P('$.properties.digits') },
  { pattern: '0', pattern2: 5, replacement2: 'x', value: P('$.properties.digits') }, { pattern: '0', pattern2: '1', replacement2: 5, value: P('$.properties.digits') }, { pattern: '0', pattern2: '1', replacement2: null, value: P('$.properties.digits') },
  { pattern: '0', pattern2: '01234567890', value: P('$.properties.digits') }, { pattern: '0', pattern2: '1', replacement2: '01234567890', value: P('$.properties.digits') }, { pattern: '0123456789', replacement: '0123456789', value: P('$.properties.digits') },
  { pattern: '01234567890', value: P('$.event') }, { pattern: '', value: P('$.event') }, { pattern: '1', replacement: '01234567890', value: P('$.event') }, { pattern: '1', replacement: null, value: P('$.event') },
  { pattern: 5, value: P('$.event') }, { value: P('$.event') }, { pattern: 'a' }, { pattern: 'a', value: '' }, { pattern: 'a', value: 'banana' }, { pattern: 'a', value: 5 }, { pattern: '4', value: P('$.properties.revenue') }, { pattern: 'e', value: P('$.properties.no') },
  { pattern: 'e', value: P('$.properties.nothing') }, { pattern: 'e', value: P('$.properties.list') }, { pattern: 'e', value: P('$.properties.bare') }, { pattern: 'e', value: P('$.missing') }, { pattern: 'K', ignorecase: true, replacement: '_', value: P('$.properties.kelvin') },
  { pattern: 's', ignorecase: true, replacement: '_', value: P('$.properties.kelvin') }, { pattern: 'ß', ignorecase: true, replacement: '_', value: P('$.properties.kelvin') }, { pattern: 'SS', ignorecase: true, replacement: '_', value: P('$.properties.kelvin') }, { pattern: 'i', ignorecase: true, value: P('$.properties.unicode') },
  { pattern: 'σ', ignorecase: true, replacement: '_', value: P('$.properties.unicode') }, { pattern: '😀', replacement: ':)', value: P('$.properties.unicode') }, { pattern: '\n', replacement: ' ', value: P('$.properties.lines') }, { pattern: '-', value: 'a-b-c' }, { pattern: '[]', value: 'a[]b' }, { pattern: '\\', replacement: '/', value: 'a\\b\\c' },
  { pattern: '^a', value: 'a^ab' }, { pattern: 'a|b', value: 'a a|b b' }, { pattern: '#/', value: '#/a' }, { pattern: 'a', ignorecase: 'yes', value: 'A' }, { pattern: 'a', ignorecase: null, value: 'A' }, { pattern: 'a', global: 1, value: 'A' }, { pattern: 'aa', replacement: 'b', value: 'aaaaa' },
]
const directives = [
  ...each('@path', [...paths, 5, null, true, [], {}, P('$.properties.path'), P('$.properties.quantity'), P('$.missing'), { '@template': '$.{{properties.plan}}' }, { '@template': 'properties.{{properties.plan}}' }]),
  ...each('@template', [...templates, 5, null, P('$.properties.tpl'), P('$.properties.zero'), { '@template': '{{properties.tpl}}' }]),
  ...each('@literal', ['text', '{{event}}', 0, null, false, '', [], {}, P('$.event'), { a: P('$.event'), b: P('$.missing') }, [P('$.missing'), 1, null], { '@path': '$.a', b: 1 }]),
  ...cross(conditions, branches, (a, b) => ({ f: { '@if': { exists: a, then: b, else: 'no' } } })),
  ...cross(conditions, branches, (a, b) => ({ f: { '@if': { blank: a, then: 'yes', else: b } } })),
  ...each('@if', [{}, 5, null, 'x', [], { then: 'x' }, { exists: '' }, { exists: 0, blank: 0 }, { exists: null, blank: P('$.missing'), then: 1, else: 2 }, { exists: P('$.event') }, { exists: P('$.missing') },
    { exists: P('$.event'), then: { '@nope': 1 } }, { exists: { '@path': 5 } }, { exists: P('$.missing'), blank: P('$.event'), then: 1, else: 2 }, { exists: P('$.a'), then: { '@if': { exists: P('$.b'), then: 1, else: 2 } }, else: { '@if': { exists: P('$.event'), then: 3 } } }]),
  ...each('@case', [{ operator: 'lower', value: P('$.properties.unicode') }, { operator: 'upper', value: P('$.properties.unicode') }, { operator: 'upper', value: 'ß ŉ ᾳ ﬃ ı' }, { operator: 'lower', value: 'ΑΣ ΑΣΑ İ' }, { operator: 'Upper', value: 'x' }, { operator: 'title', value: P('$.event') },
    { operator: 'title', value: P('$.properties.zero') }, { value: 'x' }, { operator: '', value: 'x' }, { operator: 'upper' }, { operator: 'upper', value: '' }, { operator: 'upper', value: 5 }, { operator: 'upper', value: P('$.properties.quantity') }, { operator: 'upper', value: P('$.properties.list') }, { operator: 5, value: 'x' }, 'upper', null]),
  ...each('@replace', [...replaces, 5, null, []]),
  ...each('@arrayPath', [['$.properties.products'], ['$.properties.products', { id: P('$.sku'), price: P('$.price') }], ['$.properties.products', { id: P('$.sku'), all: P('.'), tags: { '@arrayPath': ['$.tags'] } }], ['$.properties.products', {}], ['$.properties.products', P('$.sku')],
    ['$.properties.nested', { a: P('$.a.b.c') }], ['$.missing', { a: P('$.a') }], ['$.event', { a: P('$.a') }], ['$.properties.none', { a: 1 }], ['$.properties.nothing', { a: 1 }], [P('$.properties.list'), { v: P('.') }], [P('$.traits'), { '@merge': { objects: [P('.'), { b: 1 }], direction: 'right' } }],
    [], [5], ['$.properties.list', 'text'], ['$.properties.list', null], ['$.properties.list', [1]], 'x', null, [P('$.properties.products'), { t: { '@template': '{{sku}} {{.}}' } }], [{ '@literal': { a: 1 } }, { b: P('$.a') }], ['$.traits', { a: { '@nope': 1 } }], ['$.properties.products', { a: { '@transform': { apply: { s: P('$.sku') }, mapping: { r: P('$.s') } } } }]]),
  ...each('@merge', [{ objects: [P('$.properties.nested'), { a: 1 }], direction: 'right' }, { objects: [{ a: 1, b: 2 }, { b: 3 }], direction: 'left' }, { objects: [{ a: 1, b: 2 }, { b: P('$.missing') }], direction: 'right' }, { objects: [P('$.event'), { 0: 'x' }], direction: 'right' }, { objects: [P('$.properties.list'), { 0: 'x' }], direction: 'right' },
    { objects: [P('$.missing'), P('$.properties.nothing'), P('$.properties.zero'), P('$.properties.yes'), { a: 1 }], direction: 'right' }, { objects: [], direction: 'right' }, { objects: [{ a: 1 }] }, { objects: [{ a: 1 }], direction: 'up' }, { objects: [{ a: 1 }], direction: 'LEFT' }, { objects: ['x'], direction: 'left' }, { objects: { a: 1 }, direction: 'left' },
    { direction: 'left' }, { objects: [{ a: P(5) }, { b: { '@nope': 1 } }], direction: 'left' }, { objects: [P('$.properties.unicode')], direction: 'left' }, { objects: [null], direction: 'left' }, { objects: [{ a: 1 }], direction: P('$.event') }, 5, null]),
  ...each('@flatten', [{ value: P('$.properties.nested'), separator: '.' }, { value: P('$.properties.nested'), separator: '_', omitArrays: true }, { value: P('$.properties.products'), separator: '-' }, { value: P('$.properties'), separator: '.' }, { value: P('$.properties.nothing'), separator: '.' }, { value: P('$.missing'), separator: '.' }, { value: P('$.event'), separator: '.' },
    { value: P('$.properties.none'), separator: '.' }, { value: P('$.properties.none'), separator: '.', omitArrays: true }, { value: P('$.properties.nested'), separator: '' }, { value: P('$.properties.nested') }, { separator: '.' }, { value: { a: { b: P('$.missing'), c: [] } }, separator: '' }, { value: { a: { b: 1 } }, separator: 5 }, { value: { a: { b: 1 } }, separator: P('$.event') }, { value: 5, separator: '.' }, { value: { a: [] , b: {} }, separator: '.', omitArrays: 'no' }, 5, null]),
  ...each('@json', [{ mode: 'encode', value: P('$.properties') }, { mode: 'encode', value: P('$.properties.list') }, { mode: 'encode', value: P('$.properties.unicode') }, { mode: 'encode', value: P('$.missing') }, { mode: 'encode', value: P('$.properties.nothing') }, { mode: 'encode', value: [P('$.missing'), { a: P('$.missing') }] }, { mode: 'encode', value: { '@literal': 1e21 } }, { mode: 'encode', value: { a: 1.0, b: 1e-7, c: -0, 5: 1, 1: 2 } },
    { mode: 'decode', value: P('$.properties.json') }, { mode: 'decode', value: P('$.properties.bad') }, { mode: 'decode', value: P('$.properties.list') }, { mode: 'decode', value: P('$.missing') }, ...['NaN', '[NaN]', 'Infinity', '-Infinity', ' [1] ', '\u00a0[1]', '\ufeff1', '"\t"', '"\\ud83d"', '1e999', '[1,]', '01', '1.', '-0', '12345678901234567890', '{"a":1,"a":2}', '""', 'nul', "'a'", '"\\x"', '[1]x', '1_000', '{"b":1,"10":2,"9":3}'].map((value) => ({ mode: 'decode', value })),
    { mode: 'ENCODE', value: 'x' }, { mode: 'other', value: 'x' }, { mode: 5, value: 'x' }, { value: 'x' }, { mode: 'encode' }, { mode: 'encode', value: 0 }, { mode: 'encode', value: '' }, { mode: 'encode', value: null }, { mode: 'encode', value: { '@json': { mode: 'encode', value: P('$.properties.list') } } }, 5, null]),
  ...each('@transform', [{ apply: { p: P('$.properties.plan'), n: P('$.missing') }, mapping: { a: P('$.p'), b: P('$.event'), c: P('.') } }, { apply: P('$.properties.nested'), mapping: P('$.a') }, { apply: P('$.event'), mapping: P('.') }, { apply: P('$.missing'), mapping: { a: P('.') } }, { apply: {}, mapping: { a: 1 } }, { apply: { a: 1 } }, { mapping: { a: 1 } }, { apply: 'x', mapping: { a: 1 } }, { apply: { a: 1 }, mapping: 'x' },
    { apply: { a: { '@nope': 1 } }, mapping: { b: P(5) } }, { apply: { x: [P('$.missing')] }, mapping: { a: P('$.x'), b: P('$.x.0') } }, { apply: { a: P('$.event') }, mapping: { '@transform': { apply: { b: P('$.a') }, mapping: { c: P('$.b'), d: P('$.a') } } } }, 5, null]),
  ...each('@excludeWhenNull', [P('$.properties.nothing'), P('$.properties.nested'), P('$.properties.list'), P('$.missing'), P('$.properties.zero'), null, { a: null, b: [null], c: { d: null, e: { f: null } } }, [null]]),
]
const wholes = [
  {}, { a: 1, b: 'x', c: null, d: true, e: [1, P('$.event'), P('$.missing'), { x: P('$.missing') }], f: { g: P('$.missing'), h: { i: P('$.userId') } } }, P('$.properties'), P('$.event'), P('$.missing'), P(5), { '@nope': 1 },
  { a: { '@path': '$.event', '@template': 'x' } }, { a: { '@path': '$.event', other: 1 } }, { a: { '@path': '$.event', _metadata: { label: 'x' } } }, { a: { '@path': '$.event', _metadata: 1, b: 2 } }, { '@path': '$.event', a: 1 }, { a: { _metadata: 1 } }, { a: { '@': 1 } }, { a: { '@Path': 'x' } },
  { a: [{ '@nope': 1 }] }, { a: [{ '@path': '$.event', '@template': '{{type}}' }] }, { a: [{ '@template': '{{type}}', '@path': '$.event' }] }, { a: [{ '@path': '$.event', b: 1 }] }, { a: [{ '@path': 5 }] }, { a: [{ '@if': 5 }] }, { a: [{ '@case': { operator: 5, value: 7 } }] }, { a: [{ '@case': { operator: 5, value: 'x' } }] },
  { a: [{ '@replace': { pattern: 5, value: 'x' } }] }, { a: [{ '@replace': { pattern: 'x', value: 5, replacement: 5 } }] }, { a: [{ '@replace': { pattern: 'x', value: 'x', ignorecase: 1 } }] }, { a: [{ '@replace': { pattern: '01234567890', value: 'x' } }] }, { a: [{ '@json': { mode: 5, value: 5 } }] }, { a: [{ '@json': 5 }] },
  { a: [{ '@merge': { objects: 5, direction: 'left' } }] }, { a: [{ '@merge': { objects: [P('$.properties.bare')], direction: P('$.event') } }] }, { a: [{ '@flatten': { value: { b: { c: 1 } }, separator: P('$.event') } }] }, { a: [{ '@flatten': { value: 1, separator: 5 } }] }, { a: [{ '@arrayPath': 5 }] }, { a: [{ '@arrayPath': [] }] }, { a: [{ '@transform': 5 }] },
  { a: [{ '@transform': { apply: 'x', mapping: 'y' } }] }, { a: [{ '@literal': 1 }, { '@excludeWhenNull': null }] }, { a: { b: P(5), c: { '@nope': 1 } }, d: { '@case': 5 }, e: { '@replace': {} } }, { a: { '@if': { exists: P(5), then: { '@nope': 1 }, blank: P(7) } } },
  { __segment_internal_directive: { '@transform': { apply: { p: P('$.properties') } } }, a: P('$.p.plan'), b: P('$.event') }, { __segment_internal_directive: { '@transform': {} }, a: 1 }, { __segment_internal_directive: { '@transform': { apply: { x: 1 } }, _metadata: 1 }, a: 1 }, { __segment_internal_directive: {}, a: 1 },
  { __segment_internal_directive: { '@path': '$.event' }, a: 1 }, { __segment_internal_directive: { '@merge': { objects: [{ z: 1 }], direction: 'left' } }, a: P('$.event') }, { __segment_internal_directive: { a: { b: 1 } }, c: P('$.event') }, { __segment_internal_directive: 'x' }, { __segment_internal_directive: 'xy' }, { __segment_internal_directive: 5 }, { __segment_internal_directive: { '@arrayPath': { a: 1 } } },
  { b: 1, 10: 2, 9: 3, a: { z: 1, 5: 2, 4: 3 } }, { a: 1.0, b: 1e21, c: -0, d: 12345678901234567890, e: 0.1 },
]

export const mappings = [...directives, ...wholes]

// -- random ones

const scalars = ['text', '', ' ', 0, 1, -1.5, true, false, null, 'lower', 'upper', 'encode', 'left', '.', '$.event', '{{event}}']
const junk = (random) => random.pick([...scalars, [], {}, [null], { a: 1 }, ['a', { b: null }]])

const value = (random, depth) => {
  const { pick, chance, times, below } = random
  if (depth > 3 || chance(0.25)) return chance(0.7) ? P(pick(paths)) : junk(random)
  const inner = () => value(random, depth + 1)
  const option = (good, odds = 0.9) => (chance(odds) ? good() : inner())
  const some = (fields) => Object.fromEntries(Object.entries(fields).filter(() => chance(0.93)))
  const make = [
    () => ({ '@path': option(() => pick(paths)) }),
    () => ({ '@template': option(() => pick(templates)) }),
    () => ({ '@template': option(() => `${pick(templates)}${pick(templates)}{{${pick(paths)}}}`) }),
    () => ({ '@literal': inner() }),
    () => ({ '@if': some({ [pick(['exists', 'exists', 'blank'])]: inner(), then: inner(), else: inner() }) }),
    () => ({ '@case': some({ operator: option(() => pick(['lower', 'upper'])), value: inner() }) }),
    () => ({ '@replace': some({ ...pick(replaces), value: option(() => P(pick(paths)), 0.8) }) }),
    () => ({ '@arrayPath': [option(() => pick(paths)), inner()].slice(0, 1 + below(2)) }),
    () => ({ '@merge': some({ objects: times(3, inner), direction: option(() => pick(['left', 'right'])) }) }),
    () => ({ '@flatten': some({ value: inner(), separator: option(() => pick(['.', '_', '', '--'])), omitArrays: pick([true, false]) }) }),
    () => ({ '@json': some({ mode: option(() => pick(['encode', 'decode'])), value: inner() }) }),
    () => ({ '@transform': some({ apply: object(random, depth + 1), mapping: inner() }) }),
    () => ({ '@excludeWhenNull': inner() }),
    () => object(random, depth + 1),
    () => times(3, inner),
    () => ({ ...inner(), ...(chance(0.2) ? { _metadata: 1 } : {}) }),
  ]
  return pick(make)()
}
const KEYS = ['a', 'b', 'c', '10', '2', 'x y', '']
const object = (random, depth) => Object.fromEntries(random.times(3, () => [random.pick(KEYS), value(random, depth)]))

export const randomMappings = (random, count) =>
  Array.from({ length: count }, () => {
    const mapping = { f: value(random, 0), ...object(random, 2) }
    return random.chance(0.03) ? { ...mapping, __segment_internal_directive: { '@transform': { apply: object(random, 1) } } } : mapping
  })
