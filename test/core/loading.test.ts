import { execFile } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'

const app = join(import.meta.dirname, '../../app')
const run = promisify(execFile)

/** What a process loads of Node and of libraries when it imports these files. */
async function loadedBy(files: string[]): Promise<string[]> {
  const imports = files.map((file) => `await import(${JSON.stringify(join(app, file))})`)
  const script = `${imports.join('\n')}
    const { createRequire } = await import('node:module')
    const libraries = Object.keys(createRequire(import.meta.url).cache)
    console.log(JSON.stringify([...process.moduleLoadList, ...libraries]))`
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script])
  return JSON.parse(stdout)
}

const bots = [...globSync('**/bot.ts', { cwd: app }), 'telegram/dispatcher.ts']
const webs = globSync('**/web.ts', { cwd: app })

test('no role loads Node’s own fetch and WebSocket, which it does not use', async (t) => {
  for (const files of [bots, webs]) {
    const loaded = await loadedBy(files)
    t.true(loaded.includes('NativeModule http'), 'the server or client is there')
    t.deepEqual(
      loaded.filter((name) => name.includes('undici')),
      [],
    )
  }
})

test('the bot loads a rate limiter without those for databases', async (t) => {
  const limiters = (await loadedBy(bots)).filter((name) =>
    /rate-limiter-flexible.*Limiter\w+\.js$/.test(name),
  )
  t.true(limiters.some((name) => name.endsWith('RateLimiterMemory.js')))
  t.deepEqual(
    limiters.filter((name) => /Redis|Mongo|SQL|Postgres|Cluster/.test(name)),
    [],
  )
})
