// Subscriptions in FQL, and the events they are tried on.

export const events = [
  {},
  { type: 'track' },
  { type: 'track', event: 'Sign Up', userId: '42', properties: { value: 5, plan: 'pro' } },
  { type: 'track', event: 'Order Completed', userId: null, properties: { value: '5', revenue: 10.5 } },
  { type: 'identify', userId: '', traits: { value: true, logins: 10, plan: 'pro plus' } },
  { type: 'page', name: 'Home', context: { ip: '1.1.1.1', value: false, page: { path: '/' } } },
  { type: 'track', event: 'xabcx', properties: { value: null, foo: { bar: 'baz' }, items: ['a', { b: 1 }] } },
  { event: 5, name: null, userId: true, type: 'true', properties: { value: 'abc', 'a b': 'x' } },
  { event: 'null', type: 'null', userId: false, name: 'true', traits: 'text', context: null, properties: [1, 2] },
  { event: '*x', name: 'eos', type: 'eos', properties: { value: 0, foo: 0, properties: 'p' }, traits: { foo: '' } },
  { event: '😀 émile', name: "it's", properties: { value: '', value2: 'x*', foo: { bar: { baz: -1.5 } } } },
  { event: 'eos', userId: '5', properties: { value: 1e21, plan: "'pro'" }, context: { value: 123, foo: [] } },
]

const plain = `
type = "track"
type = "track" and event = "Sign Up"
type = "track" and event = "Order Completed"
type = "track" or type = "identify" or type = "group" or type = "page" or type = "alias"
type != "group"
type = 'track'
type="track"
type= "track"
type ="track"
type ! = "track"
type !="track"
type != "track"
event != "Sign Up"
event = null
event != null
type = null
name = null
name != null
name = true
name = "Home"
name = 5
userId = null
userId != null
userId = true
userId = false
userId != true
userId = "42"
userId = 5
userId = "5"
properties.value = true
properties.value = false
properties.value = "5"
properties.value = 5
properties.value = 5.0
properties.value = +5
properties.value = -5
properties.value = 5.
properties.value = 5..1
properties.value = 5.1.2
properties.value = 0
properties.value = -0
properties.value = -
properties.value != -
properties.value != 5
properties.value != "5"
properties.value != true
properties.value = null
properties.value != null
properties.value < 10
properties.value <= 5
properties.value > 4
properties.value >= 5
properties.value >= "5"
properties.value >= "0x5"
properties.value > " "
properties.value > true
properties.value < null
properties.value > "abc"
properties.value>5
properties.value >=5
properties.value > = 5
properties.value =< 5
properties.value == 5
properties.value "5" =
properties.value and "5"
properties.value ( )
properties.foo.bar = "baz"
properties.foo.bar.baz = -1.5
properties.foo.length = 3
properties.plan.length = 3
properties.items.length = 2
properties.items.0 = "a"
properties.items.1.b = 1
properties.items[0] = "a"
properties.my\\ prop = "x"
properties.a\\ b = "x"
properties.foo\\.bar = "baz"
properties.foo\\[bar = "baz"
properties.foo\\]bar = "baz"
properties\\.foo.bar = "baz"
properties.\\. = "x"
properties.\\[ = "x"
properties = "p"
properties.properties = "p"
properties.properties.foo = 0
traits = "text"
traits.length = 4
traits.logins >= 10
traits.value = true
traits.foo = ""
context.ip = "1.1.1.1"
context.page.path = "/"
context.value = 123
context.foo.length = 0
context = null
contains(event, "Sign")
contains(event,"Sign")
contains( event , "Sign" )
contains (event, "Sign")
!contains(event, "Sign")
! contains(event, "Sign")
contains(type, "track")
contains(name, "om")
contains(userId, 4)
contains(properties.value, "b")
!contains(properties.value, "b")
contains(traits.plan, "pro")
contains(context.ip, ".")
contains(propertiesvalue, "b")
contains(properties.value, b)
contains(properties.value, true)
contains(properties.value, 'b')
contains(properties.value)
contains()
contains
contains(
contains event "Sign"
!contains
match(event, "Sign*")
match(event, "*Up")
match(event, "*b*")
match(event, "abcx")
match(event, "")
match(event, "*")
match(event, "**")
match(event, "😀*")
match(event, "x😀")
match(event, "*émile")
match(event, Up)
match(event, 5)
match(name, 'x*')
!match(event, "Sign*")
!match(event, "*Up")
!match(traits.plan, "pro*")
match(type, "tr*")
match(context.ip, "1*")
match(properties.value, "a*")
match(properties.foo.bar, "*z")
(type = "track")
(type = "track" and event = "Sign Up") or type = "page"
type = "track" and (event = "Sign Up" or event = "Order Completed")
type = "track" and (event = "Sign Up" and event = "Order Completed" or properties.value = 5)
(type = "track") and (event = "Sign Up")
((type = "track"))
type = "track" and ((event = "Sign Up") or event = "x")
type = "track" and (contains(event, "Sign") or event = "Order Completed")
type = "track" and !(event = "Sign Up")
!(type = "track")
(type = "track"
type = "track")
()
( )
type = "track" and ()
type = "track" and (anonymousId = "x")
type = "page" or event = "Sign Up" and name = "Home"
type = "page" and event = "Sign Up" or name = "Home"
type = "track" event = "Sign Up"
type = "track" and
and type = "track"
or type = "track" type = "page"
and
type
type =
type = "
type "track"
event = "a"b"
event = "it's"
name = "it's"
event = 'it"s'
event = ""
event = "Sign Up
event = "Sign Up"and type = "track"
event = "Sign Up") and type = "track"
event = "Sign Up"]
event = ["Sign Up"]
event = Sign Up
event = track
event = true
name = true
type = true
type = track
type = eos
type = type = "track"
anonymousId = "x"
type = "track" and anonymousId = "x"
type = "track" and messageId != null
type = "track" AND event = "Sign Up"
type = "track" && event = "Sign Up"
TYPE = "track"
integrations.All = true or type = "page"
groupId = "x" or name = "Home"
constructor = "track" type = "track"
type = "track" toString type = "page"
hasOwnProperty.x = "y" or type = "track"
__proto__ = "track" and type = "track"
toString
an
type = "track" an
no type = "track"
nul type = "track"
null
type = "track" o
type = null1
properties.null = "x"
properties.and = "x"
properties.order = "x"
properties.android = "x"
_properties.x = 1 or type = "track"
properties._x = 1
properties.-x = 1
properties.x-y = 1
properties.1x = 1
properties.é = 1
type = "é"
properties. value = 5
properties .value = 5
properties..value = 5
.properties.value = 5
properties.value. = 5
type, = "track"
type = "track", event = "Sign Up"
type = "track"; event = "Sign Up"
x(type = "track")
x! type = "track"
properties.value! = 5
properties.value!= 5
@type = "track"
type = "track" \\
type = "track" \\x
\\type = "track"
t\\ype = "track"
typ\\e= "track"
type = \\"track\\"
type = "tr\\"ack"
`.split('\n').filter(Boolean)

export const subscriptions = [
  ...plain.map((text) => text.replaceAll('\\\\', '\\')),
  '',
  ' ',
  '\n',
  'type\n=\t"track"',
  'type = "track"\r',
  'type = "track"\n and event = "Sign Up"',
  'event = "a\nb"',
  'type = "track" \\',
  'type = "track" \\😀',
  'properties.\\é = 1',
]

const NAMES = ['type', 'event', 'name', 'userId', 'properties', 'properties.value', 'properties.foo.bar',
  'properties.plan', 'traits.value', 'traits.plan', 'context.value', 'context.ip', 'context.page.path',
  'anonymousId', 'contains', 'match', 'toString', 'properties.items.0', 'properties.a\\ b', 'integrations.All']
const OPERATORS = ['=', '=', '=', '!=', '!=', '<', '<=', '>', '>=', '==', '!', 'and']
const VALUES = ['"track"', '"Sign Up"', '"abc"', '"5"', '5', '0', '-1.5', '10.5', 'true', 'false', 'null', "'pro'",
  '""', '"x*"', '"*x"', '"*"', 'track', '"1.1.1.1"', '"pro"', '+5', '"true"', '"null"']
const NOISE = ['(', ')', ',', '.', '[', ']', '!', 'and', 'or', 'null', '"', "'", '\\', '-', ' ', '', 'x', '😀', '\n', '\r', ';']

const condition = (random, depth) => {
  const { pick, chance, below } = random
  const kind = below(10)
  if (kind < 6) return `${pick(NAMES)} ${pick(OPERATORS)} ${pick(VALUES)}`
  if (kind < 8) return `${chance(0.4) ? '!' : ''}${pick(['contains', 'match'])}(${pick(NAMES)}, ${pick(VALUES)})`
  if (depth > 1) return `${pick(NAMES)} = ${pick(VALUES)}`
  return `${chance(0.1) ? '!' : ''}(${subscription(random, depth + 1)})`
}

const subscription = (random, depth = 0) => {
  let text = condition(random, depth)
  while (random.chance(0.45)) text += ` ${random.pick(['and', 'or'])} ${condition(random, depth)}`
  return text
}

const damage = (random, text) => {
  const at = random.below(text.length + 1)
  return text.slice(0, at) + random.pick(NOISE) + text.slice(at + random.below(3))
}

export const randomSubscriptions = (random, count) =>
  Array.from({ length: count }, () => {
    let text = subscription(random)
    while (random.chance(0.25)) text = damage(random, text)
    return text
  })
