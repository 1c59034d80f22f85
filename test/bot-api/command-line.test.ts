import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import test from 'ava'
import { callApi, until } from './call-api.ts'
import { startBotApi } from './client.ts'
import { findPorts } from './fresh.ts'

async function run(args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], { env })
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { out, err, code }
}

const ids = { TELEGRAM_API_ID: '1', TELEGRAM_API_HASH: 'x' }

test('--version prints the version of the Bot API', async (t) => {
  t.deepEqual(await run(['--version']), { out: 'Bot API 10.3\n', err: '', code: 0 })
})

test('without an api id and hash it says where to get them and ends', async (t) => {
  const { err, code } = await run(['--local'])
  t.is(code, 1)
  t.regex(err, /^You must provide valid api-id and api-hash obtained at https:\/\/my\.telegram\.org/)
})

test('an unknown flag ends it with a message', async (t) => {
  const { err, code } = await run(['--download-faster'], ids)
  t.is(code, 1)
  t.regex(err, /--download-faster/)
})

test('a port that is no number ends it with a message', async (t) => {
  const { err, code } = await run(['--http-port=http'], ids)
  t.is(code, 1)
  t.regex(err, /http-port/)
})

test('all flags of the real server are taken', async (t) => {
  const more = ['-v', '1', '--memory-verbosity=2', '-c', '1000', '--max-webhook-connections=10', '-ttemp']
  const others = [
    '--log=server.log',
    '--log-max-file-size=1000',
    '--proxy=http://127.0.0.1:1',
    '--cpu-affinity=3',
  ]
  await using server = await startBotApi({ flags: [...more, ...others, '--api-id=5', '--api-hash', 'y'] })
  t.true((await callApi(server, 'getMe')).ok)
})

test('--filter refuses other bots with 421', async (t) => {
  const flags = ['--filter=7000001/9007199254740991']
  await using server = await startBotApi({ token: '7000001:AAqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq', flags })
  t.true((await callApi(server, 'getMe')).ok)
  const other = await callApi(server, 'getMe', {}, '7000002:AAqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq')
  t.like(other, { status: 421, description: 'Misdirected Request: unallowed token specified' })
})

test('a second server on the same folder dies and leaves the first one alone', async (t) => {
  await using server = await startBotApi()
  const { http } = await findPorts()
  const { err, code } = await run([`--dir=${server.dir}`, `--http-port=${http}`], ids)
  t.is(code, 1)
  t.regex(err, /^Can't lock file "?.*tqueue\.binlog"?, because it is already in use/)
  t.true((await callApi(server, 'getMe')).ok)
})

test('a kill leaves no lock that stops the next start', async (t) => {
  await using server = await startBotApi()
  await server.restart('SIGKILL')
  t.true((await callApi(server, 'getMe')).ok)
})

test('a busy port does not end it: it serves once the port is free', async (t) => {
  const { http } = await findPorts()
  const squatter = createServer().listen(http, '127.0.0.1')
  await once(squatter, 'listening')
  const dir = await mkdtemp(join(tmpdir(), 'bot-api-busy-'))
  const flags = [`--dir=${dir}/bot-api`, `--http-port=${http}`, '--http-ip-address=127.0.0.1', '-v1']
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...flags], { env: ids })
  t.teardown(async () => {
    child.kill('SIGKILL')
    await rm(dir, { recursive: true, force: true })
  })
  const [first] = await once(child.stderr, 'data')
  t.regex(String(first), /TCP listener was closed/)
  squatter.close()
  const status = await until(() =>
    fetch(`http://127.0.0.1:${http}/`).then(
      (response) => response.status,
      () => undefined,
    ),
  )
  t.is(status, 404)
})

test('SIGTERM answers what waits with 500 and ends with code 0', async (t) => {
  await using server = await startBotApi()
  await callApi(server, 'getMe')
  const waiting = callApi(server, 'getUpdates', { timeout: 50 })
  await until(async () => (await server.calls('getUpdates'))[0])
  t.is(await server.kill('SIGTERM'), 0)
  t.like(await waiting, { status: 500, description: 'Internal Server Error: restart' })
})

test('the statistics page gives away the whole token', async (t) => {
  const { http: statPort } = await findPorts()
  const flags = [`--http-stat-port=${statPort}`, '--http-stat-ip-address=127.0.0.1']
  await using server = await startBotApi({ flags })
  await callApi(server, 'getMe')
  const page = await (await fetch(`http://127.0.0.1:${statPort}/`)).text()
  t.true(page.includes(`token\t${server.token}`))
})
