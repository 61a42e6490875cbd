// Runs Segment's published packages over our own cases and records what they do, for test_segment.py.
// See README.md in this folder. Usage: node generate.mjs PACKAGES OUT [--fuzz COUNT] [--seed NUMBER]

import { createRequire } from 'node:module'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { randomness } from './cases/random.mjs'
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

const distinct = (rows) => [...new Map(rows.map((row) => [JSON.stringify(row), row])).values()]
const write = (name, rows, shared = '') => {
  const lines = rows.map((row) => JSON.stringify(row)).join(',\n')
  writeFileSync(path.join(out, name), `{${shared}"cases":[\n${lines}\n]}\n`)
  console.log(`${name}: ${rows.length} cases`)
}

// -- subscriptions: text → one digit an event, or null when the parser rejects it

const { parseFql, validate } = require('@segment/destination-subscriptions')

const judge = (text) => {
  const parsed = parseFql(text)
  // the parser takes "()" as a condition that is not there; events that get as far as that fail
  if (parsed.error || JSON.stringify(parsed).match(/[[,]null/)) return [text, null]
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
const message = (error) => (error[Symbol.iterator] ? [...error].map((one) => one.message).join('\n') : error.message)
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
