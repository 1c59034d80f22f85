import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Bench } from './bash.ts'

const healthy = { LoadState: 'loaded', ActiveState: 'active', InvocationID: 'new' }

/** A machine on which the bot's unit shows these properties, and its process runs the program of the present release. */
async function openWith(t: ExecutionContext, shown: Partial<typeof healthy>): Promise<Bench> {
  const bench = await Bench.open()
  t.teardown(() => bench[Symbol.asyncDispose]())
  const libraries = join(bench.dir, 'opt/releases/1/node_modules')
  await mkdir(join(bench.dir, 'opt/releases/1/app'), { recursive: true })
  await mkdir(libraries)
  await writeFile(join(bench.dir, 'opt/releases/1/app/main.ts'), '')
  await copyFile('/bin/sleep', join(libraries, 'sleep'))
  const program = spawn(join(libraries, 'sleep'), ['60'])
  t.teardown(() => program.kill())
  await once(program, 'spawn')
  const lines = Object.entries({ ...healthy, ...shown }).map(([name, value]) => `${name}=${value}`)
  const say = `printf '%s\\n' ${lines.map((line) => `'${line}'`).join(' ')}`
  await bench.fake('systemctl', `if [[ $* == *=MainPID* ]]; then echo ${program.pid}; else ${say}; fi`)
  await symlink('releases/1', join(bench.dir, 'opt/current'))
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

test('a process of another release is trouble, unless all that it can load is the same', async (t) => {
  const bench = await openWith(t, {})
  const next = 'cp -r opt/releases/1 opt/releases/2; rm opt/current; ln -s releases/2 opt/current'
  t.like(await bench.run(`${next}; ${look}`), { status: 0, stdout: '' })
  const { stdout } = await bench.run(`echo changed >opt/releases/2/app/main.ts; ${look}`)
  t.regex(stdout, /^tgdepot-bot\.service runs a program of another release/)
})

test('a process whose release was made anew in its place is trouble', async (t) => {
  const bench = await openWith(t, {})
  const { stdout } = await bench.run(
    `cp -r opt/releases/1 new; rm -r opt/releases/1; mv new opt/releases/1; ${look}`,
  )
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
