// Reads the events of the server at the address given, with the npm package
// eventsource, and writes what it got as JSON.
import { EventSource } from 'eventsource'
import { read } from './read.mjs'

const base = process.argv[2]
const got = await read(EventSource, base)
process.stdout.write(JSON.stringify(got))
