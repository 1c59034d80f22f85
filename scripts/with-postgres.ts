// Runs a program with a PostgreSQL of its own, on which the tests of data then run: node scripts/with-postgres.ts ava …
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { startPostgres } from '../test/helpers/postgres.ts'

const [program, ...words] = process.argv.slice(2)
if (program === undefined) throw new Error('Usage: scripts/with-postgres.ts <program> [argument …]')
await using server = await startPostgres()
const child = spawn(program, words, {
  stdio: 'inherit',
  env: { ...process.env, TEST_DATABASE: 'postgres', TEST_POSTGRES: server.folder },
})
// The terminal tells both; the server must outlive the tests.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
const [code] = await once(child, 'exit')
process.exitCode = code ?? 1
