import { spawn } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Bench } from './bash.ts'

const load = 'UNITS=$PWD/units WEB_SOCKET=$PWD/web.sock; load_socket; echo "$CHANGED"'

/** A machine on which the socket's unit is active and a web role runs, handed the socket or not. */
async function openWith(t: ExecutionContext, env: Record<string, string>) {
  const bench = await Bench.open()
  t.teardown(() => bench[Symbol.asyncDispose]())
  const web = spawn('sleep', ['60'], { env: { PATH: process.env.PATH, ...env } })
  t.teardown(() => web.kill())
  const server = createServer().listen(join(bench.dir, 'web.sock'))
  t.teardown(() => server.close())
  await mkdir(join(bench.dir, 'units'))
  await writeFile(join(bench.dir, 'units/tgdepot-web.socket'), '[Socket]\n')
  await bench.fake('systemctl', `echo "$*" >>calls; [ "$1" != show ] || echo ${web.pid}`)
  return Object.assign(bench, { calls: () => readFile(join(bench.dir, 'calls'), 'utf8') })
}

test('the web role’s socket is left alone while its unit stays as it is', async (t) => {
  const bench = await openWith(t, { LISTEN_FDS: '1' })
  t.like(await bench.run(load), { status: 0, stdout: '1\n' }, 'the first time')
  await bench.run('rm calls')
  t.like(await bench.run(load), { status: 0, stdout: '0\n' })
  t.notRegex(await bench.calls(), /restart|stop/)
})

test('the socket is made anew after an older release, installed over this one, has put its own in that place', async (t) => {
  const bench = await openWith(t, {})
  await bench.run(load)
  await bench.run('rm calls')
  t.like(await bench.run(load), { status: 0, stdout: '1\n' })
  t.regex(await bench.calls(), /^stop tgdepot-web\.service$[\s\S]*^restart tgdepot-web\.socket$/m)
})

test('the socket is made anew when its file is gone', async (t) => {
  const bench = await openWith(t, { LISTEN_FDS: '1' })
  await bench.run(load)
  await bench.run('rm calls web.sock')
  t.like(await bench.run(load), { status: 0, stdout: '1\n' })
  t.regex(await bench.calls(), /^restart tgdepot-web\.socket$/m)
})
