import { mkdir, readlink, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Bench } from './bash.ts'

const healthy = {
  LoadState: 'loaded',
  ActiveState: 'active',
  InvocationID: 'new',
  MainPID: String(process.pid),
}

/** A machine on which the bot's unit shows these properties, and its process runs the program of the present release. */
async function openWith(t: ExecutionContext, shown: Partial<typeof healthy>): Promise<Bench> {
  const bench = await Bench.open()
  t.teardown(() => bench[Symbol.asyncDispose]())
  const lines = Object.entries({ ...healthy, ...shown }).map(([name, value]) => `${name}=${value}`)
  await bench.fake('systemctl', `printf '%s\\n' ${lines.map((line) => `'${line}'`).join(' ')}`)
  await mkdir(join(bench.dir, 'opt'))
  await symlink(join(await readlink('/proc/self/exe'), '..'), join(bench.dir, 'opt/current'))
  return bench
}

const look = 'RUN_BEFORE[tgdepot-bot]=old; find_unit_trouble tgdepot-bot.service'

test('a unit that runs what was started is no trouble', async (t) => {
  const bench = await openWith(t, {})
  t.like(await bench.run(look), { status: 0, stdout: '' })
})

test('a unit that systemd cannot read is trouble, although its old process runs on', async (t) => {
  const bench = await openWith(t, { LoadState: 'bad-setting', InvocationID: 'old' })
  t.regex((await bench.run(look)).stdout, /^tgdepot-bot\.service cannot be loaded \(bad-setting\)/)
})

test('a unit that was to be restarted and was not is trouble', async (t) => {
  const bench = await openWith(t, { InvocationID: 'old' })
  t.regex((await bench.run(look)).stdout, /^tgdepot-bot\.service was not restarted/)
})

test('a process of another release is trouble', async (t) => {
  const bench = await openWith(t, {})
  const { stdout } = await bench.run(`rm opt/current; mkdir opt/current; ${look}`)
  t.regex(stdout, /^tgdepot-bot\.service runs a program of another release/)
})

test('an address that nginx was told of and does not listen on is trouble', async (t) => {
  await using bench = await Bench.open()
  await writeFile(
    join(bench.dir, 'site'),
    'server {\n    listen 80;\n    listen [::]:80;\n    listen 443 ssl http2;\n    listen 127.0.0.1:8080;\n}\n',
  )
  const open = (address: string) => `LISTEN 0 511 ${address} 0.0.0.0:* users:(("nginx",pid=1,fd=6))`
  const other = 'LISTEN 0 511 [::]:80 [::]:* users:(("apache2",pid=1,fd=6))'
  await bench.fake('ss', `cat <<'X'\n${[open('0.0.0.0:80'), open('0.0.0.0:443'), other].join('\n')}\nX`)
  const { stdout } = await bench.run('SITE=$PWD/site; missing_sockets')
  t.deepEqual(stdout.trim().split('\n'), ['127.0.0.1:8080', '[::]:80'])
})
