import { execFile } from 'node:child_process'
import { appendFile, cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor } from '../helpers/chat.ts'
import { startApp } from '../helpers/start-app.ts'
import { Bench } from './bash.ts'

const root = join(import.meta.dirname, '../..')
const run = promisify(execFile)
const roles = ['bot', 'web'] as const

/** What the installer says that a role can load. */
async function modulesOf(role: string, folder = root): Promise<string[]> {
  const { stdout } = await run('perl', [join(root, 'deploy/modules.pl'), role], { cwd: folder })
  return stdout.trim().split('\n')
}

/** Those of our files that a process wrote down. */
async function loaded(file: string): Promise<string[]> {
  const base = pathToFileURL(`${root}/`).href
  const addresses = [...new Set((await readFile(file, 'utf8')).trim().split('\n'))]
  return addresses.filter((url) => url.startsWith(`${base}app/`)).map((url) => url.slice(base.length))
}

test('a role loads nothing but what the installer restarts it for, over its whole life', async (t) => {
  await using api = await startBotApi()
  const recorder = `--import=${pathToFileURL(join(root, 'test/helpers/record-modules.ts')).href}`
  const record = (role: string) => ({
    NODE_OPTIONS: recorder,
    MODULES: join(api.dir ?? '', `modules-${role}`),
  })
  const ADMIN_TOKEN = 'administrator’s'.padEnd(40, 'x').replace(/\W/g, '')
  await using bot = await startApp({ api, roles: ['bot'], env: record('bot') })
  const env = {
    ...record('web'),
    ADMIN_TOKEN,
    STORAGE_PATH: bot.storage,
    DATABASE_URL: `sqlite:${bot.databaseFile}`,
  }
  await using web = await startApp({ roles: ['web'], env })
  await api.sendText('/start')
  const { path: link } = await linkFor(api, await api.sendFile({ kind: 'document', name: 'a.bin' }))
  for (const path of [link, '/', '/health', '/nowhere']) await web.get(path)
  await web.get('/cleanup', { method: 'POST', headers: { authorization: `Bearer ${ADMIN_TOKEN}` } })
  for (const [role, app] of [
    ['bot', bot],
    ['web', web],
  ] as const) {
    await app.kill('SIGTERM')
    const known = await modulesOf(role)
    const found = await loaded(record(role).MODULES)
    t.true(found.includes(`app/roles/${role}.ts`) && found.length > 40, `${found.length} of ${role}`)
    t.deepEqual(
      found.filter((file) => !known.includes(file)),
      [],
      role,
    )
  }
})

test('what only one role loads is not the other’s, and what nobody is known to load is both’s', async (t) => {
  const [bot, web] = await Promise.all(roles.map((role) => modulesOf(role)))
  for (const file of ['app/roles/web.ts', 'app/features/download/pages.ts', 'app/core/http.ts']) {
    t.true(web?.includes(file), file)
    t.false(bot?.includes(file), file)
  }
  for (const file of [
    'app/roles/bot.ts',
    'app/features/ingest/handlers.ts',
    'app/features/maintenance/retention.ts',
  ]) {
    t.true(bot?.includes(file), file)
    t.false(web?.includes(file), file)
  }
  for (const file of ['app/main.ts', 'app/core/database/reader.ts', 'app/links/lookup.ts', 'app/README.md']) {
    t.true(web?.includes(file) && bot?.includes(file), file)
  }
})

/** Two releases of which the second has one more line in a file; prints which roles differ. */
async function differing(file: string, line: string): Promise<string> {
  await using bench = await Bench.open()
  const releases = join(bench.dir, 'opt/releases')
  for (const id of ['old', 'new']) {
    for (const folder of ['scripts', 'systemd']) await mkdir(join(releases, id, folder), { recursive: true })
    await cp(join(root, 'app'), join(releases, id, 'app'), { recursive: true })
    const parts = [
      'package.json',
      'package-lock.json',
      'scripts/link-node.mjs',
      'README.md',
      'systemd/manifest',
    ]
    for (const part of parts) {
      await cp(join(root, part), join(releases, id, part))
    }
    await writeFile(join(releases, id, '.libraries'), 'same\n')
  }
  await appendFile(join(releases, 'new', file), line)
  const { status, stdout, stderr } = await bench.run(`for role in bot web; do
    [[ $(role_digest "$OPT/releases/old" $role) == "$(role_digest "$OPT/releases/new" $role)" ]] || printf '%s ' $role
  done`)
  if (status !== 0) throw new Error(stderr)
  return stdout.trim()
}

const changes: [file: string, roles: string, line?: string][] = [
  ['app/features/download/pages.ts', 'web'],
  ['app/core/http.ts', 'web'],
  ['app/features/ingest/handlers.ts', 'bot'],
  ['app/roles/bot.ts', 'bot'],
  ['app/core/database/reader.ts', 'bot web'],
  ['app/main.ts', 'bot web'],
  ['app/new-and-unknown.ts', 'bot web'],
  ['package-lock.json', 'bot web'],
  ['.libraries', 'bot web'],
  ['README.md', ''],
  // What it loads cannot be told any more.
  ['app/features/download/pages.ts', 'bot web', 'export const other = (name: string) => import(name)\n'],
]

for (const [file, expected, line = '// changed\n'] of changes) {
  const what = line.includes('import') ? `${file} that imports what it likes` : file
  test(`a change of ${what} is one for: ${expected || 'nobody'}`, async (t) => {
    t.is(await differing(file, line), expected)
  })
}

test('a release from which a process still runs is kept, and what neither runs nor is gone back to is removed', async (t) => {
  await using bench = await Bench.open()
  const script = `mkdir -p opt/releases/{now,before,running,unused,.new-x}/node_modules
    ln -s releases/now opt/current; mkdir state/undo; echo releases/before >state/undo/release
    cp /bin/sleep opt/releases/running/node_modules/; opt/releases/running/node_modules/sleep 60 & sleeper=$!
    trap 'kill $sleeper' EXIT
    until [[ $(readlink /proc/$sleeper/exe) == *running* ]]; do :; done
    systemctl() { if [[ $* == *tgdepot-bot.service ]]; then echo "$sleeper"; fi; }
    remove_old_releases; ls -A opt/releases`
  const { stdout, stderr } = await bench.run(script)
  t.deepEqual(stdout.trim().split('\n'), ['before', 'now', 'running'], stderr)
})
