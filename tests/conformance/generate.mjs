// Runs Segment's published packages over our own cases and records what they do, for test_segment.py.
// See README.md in this folder. Usage: node generate.mjs PACKAGES OUT [--fuzz COUNT] [--seed NUMBER]

import { createRequire } from 'node:module'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { randomness } from './cases/random.mjs'
import { deliveries, randomDeliveries } from './cases/destination.mjs'
import { liquids, randomLiquids } from './cases/liquid.mjs'
import { mapped, mappings, randomMappings } from './cases/mappings.mjs'
import { subscriptions, randomSubscriptions, events } from './cases/subscriptions.mjs'

const [packages, out, ...options] = process.argv.slice(2)
const option = (name, fallback) => {
  const at = options.indexOf(`--${name}`)
  return at < 0 ? fallback : Number(options[at + 1])
}
const fuzz = option('fuzz', 0)
const random = randomness(option('seed', 1))
const require = createRequire(path.resolve(packages, 'index.js'))

// what the destination would send lands here instead of on the network; it must be in place before the packages load
const requests = []
const crossFetch = require('cross-fetch')
const fetch = async (request) => {
  requests.push({ method: request.method, url: request.url, body: await request.text() })
  return new crossFetch.Response('{}', { status: 200, headers: { 'content-type': 'application/json' } })
}
require.cache[require.resolve('cross-fetch')].exports = Object.assign(fetch, crossFetch, { default: fetch })

const distinct = (rows) => [...new Map(rows.map((row) => [JSON.stringify(row), row])).values()]
const write = (name, rows, shared = '') => {
  const lines = rows.map((row) => JSON.stringify(row)).join(',\n')
  writeFileSync(path.join(out, name), `{${shared}"cases":[\n${lines}\n]}\n`)
  console.log(`${name}: ${rows.length} cases`)
}

// -- subscriptions: text → one digit an event, or null when the parser rejects it

const { parseFql, validate } = require('@segment/destination-subscriptions')

const isHollow = (node) => !node || (node.children ?? []).some(isHollow)
const judge = (text) => {
  const parsed = parseFql(text)
  // the parser takes "()" as a condition that is not there; events that get as far as that fail
  if (parsed.error || isHollow(parsed)) return [text, null]
  try {
    return [text, events.map((event) => Number(validate(parsed, event))).join('')]
  } catch {
    return [text, null] // the same for a path without names
  }
}
const texts = fuzz ? randomSubscriptions(random, fuzz) : [...subscriptions, ...randomSubscriptions(random, 250)]
write('subscriptions.json', distinct(texts).map(judge), `"events":${JSON.stringify(events)},\n`)

// -- mappings: [mapping, what each event gives, or one for all]: {out} as JSON text, {} for nothing, or {error}

const { transform } = require('@segment/actions-core')

const copy = (value) => JSON.parse(JSON.stringify(value))
// an AggregateError holds stacks in its message
const message = (error) => (error.constructor.name === 'AggregateError' ? [...error].map((one) => one.message).join('\n') : error.message)
const map = (mapping) => {
  const results = mapped.map((event) => {
    try {
      const payload = transform(copy(mapping), copy(event))
      return payload === undefined ? {} : { out: JSON.stringify(payload) }
    } catch (error) {
      return { error: message(error) }
    }
  })
  const same = new Set(results.map((result) => JSON.stringify(result))).size === 1
  return [mapping, same ? results[0] : results]
}
const chosen = fuzz ? randomMappings(random, fuzz) : [...mappings, ...randomMappings(random, 150)]
write('mappings.json', distinct(chosen).map(map), `"events":${JSON.stringify(mapped)},\n`)

// -- Liquid: the same for mappings of one field

const templates = fuzz ? randomLiquids(random, fuzz) : [...liquids, ...randomLiquids(random, 200)]
const liquidRows = distinct(templates).map((text) => map({ f: { '@liquid': text } }))
write('liquid.json', liquidRows, `"events":${JSON.stringify(mapped)},\n`)

// -- destination: [mapping, event, {path, body} with JSON text, {error}, or {output} for what was not sent], by number

const { Destination } = require('@segment/actions-core')
const definition = require(path.resolve(packages, 'destinations/dist/destinations/dub/index.js')).default
const destination = new Destination(definition)

const deliver = async (subscription, event) => {
  requests.length = 0
  try {
    const results = await destination.onEvent(copy(event), { apiKey: 'dub_key', subscriptions: [copy(subscription)] })
    if (!requests.length) return { output: results.map(({ output }) => output).join(' ').replace(/ : .*/, '') } // a TypeError's message
    const [{ method, url, body }] = requests
    return { path: `${method} ${new URL(url).pathname}`, body }
  } catch (error) {
    return { error: message(error) }
  }
}
const pairs = distinct(fuzz ? randomDeliveries(random, fuzz) : [...deliveries, ...randomDeliveries(random, 200)])
const numbered = (list) => {
  const numbers = new Map()
  return { list, numbers, of: (item) => numbers.get(JSON.stringify(item)) ?? (list.push(item), numbers.set(JSON.stringify(item), list.length - 1), list.length - 1) }
}
const subscribed = numbered([])
const happened = numbered([])
const delivered = []
for (const [subscription, event] of pairs) {
  delivered.push([subscribed.of(subscription), happened.of(event), await deliver(subscription, event)])
}
const listing = (list) => `[\n${list.map((item) => JSON.stringify(item)).join(',\n')}\n]`
write('destination.json', delivered, `"mappings":${listing(subscribed.list)},\n"events":${listing(happened.list)},\n`)
