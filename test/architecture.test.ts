import { join } from 'node:path'
import test from 'ava'
import { circleIn, faultOf, importsOf, readSources } from './helpers/imports.ts'
import { misnamedKinds, strayKinds, strayTables, tablesOf } from './helpers/owned-names.ts'

const sources = await readSources(join(import.meta.dirname, '../app'))
const imports = [...sources].flatMap(([name, source]) => importsOf(name, source))

test('imports go down only, through index.ts', (t) => {
  t.true(imports.length > 100)
  t.deepEqual(
    imports.map(faultOf).filter((fault) => fault !== undefined),
    [],
  )
})

test('no import goes in a circle', (t) => {
  t.is(circleIn(imports), undefined)
})

/** Names outside their folder that are let be, as `file: name`, and why. */
const knownStrays = new Map([
  ['run/check.ts: migrations', 'it looks at a database before anything of it is trusted to be there'],
])

test('the name of a table stands in its folder alone', (t) => {
  const tables = tablesOf(sources)
  for (const name of ['jobs', 'job_events', 'links', 'updates', 'health', 'notices'])
    t.true(tables.has(name), name)
  const found = strayTables(sources).map(({ file, name }) => `${file}: ${name}`)
  t.deepEqual(found, [...knownStrays.keys()])
})

test('the names of a feature’s jobs begin with its own, and stand in its folder alone', (t) => {
  t.deepEqual(strayKinds(sources), [])
  t.deepEqual(misnamedKinds(sources), [])
})

test('every import names a file that is there', (t) => {
  const missing = imports.filter(({ to, isPackage }) => !isPackage && !sources.has(to))
  t.deepEqual(missing, [])
})

test('every file is reached from main.ts', (t) => {
  const reached = new Set(['main.ts'])
  for (const file of reached) {
    for (const { from, to } of imports) if (from === file && sources.has(to)) reached.add(to)
  }
  t.deepEqual(
    [...sources.keys()].filter((name) => !reached.has(name)),
    [],
  )
})

test('only main.ts reads the environment', (t) => {
  const readers = [...sources].filter(([, source]) =>
    /\bprocess\.env\b|\benv\b.*from 'node:process'/.test(source),
  )
  t.deepEqual(
    readers.map(([name]) => name),
    ['main.ts'],
  )
})

test('the web role loads neither the bot’s code nor its libraries at its start', (t) => {
  const eager = new Set(['main.ts', 'run/roles.ts', 'roles/web.ts'])
  const packages = new Set<string>()
  for (const file of eager) {
    const source = (sources.get(file) ?? '').replace(/\bimport\('[^']+'\)/g, '')
    for (const { to, isPackage, isType } of importsOf(file, source)) {
      if (isType) continue
      if (isPackage) packages.add(to)
      else eager.add(to)
    }
  }
  t.true(packages.has('zod'), 'the way is followed')
  for (const file of [
    'roles/bot.ts',
    'telegram/index.ts',
    'outbox/index.ts',
    'jobs/index.ts',
    'users/index.ts',
  ])
    t.false(eager.has(file), file)
  for (const name of ['telegraf', 'node-cron', 'rate-limiter-flexible', 'sequelize'])
    t.false(packages.has(name), name)
})

const wrong: [from: string, line: string][] = [
  ['core/log.ts', `import { Jobs } from '../jobs/index.ts'`],
  ['jobs/jobs.ts', `import type { Links } from '../links/index.ts'`],
  ['features/ingest/index.ts', `import { download } from '../download/index.ts'`],
  ['features/ingest/transfer.ts', `import { Jobs } from '../../jobs/jobs.ts'`],
  ['features/ingest/transfer.ts', `const { x } = await import('../../jobs/jobs.ts')`],
  ['features/ingest/index.ts', `import { type BotContext } from '../../context.ts'`],
  ['store/index.ts', `import type { AppContext } from '../context.ts'`],
  ['links/index.ts', `import { Sequelize } from 'sequelize'`],
  ['features/maintenance/index.ts', `export { x } from '../../main.ts'`],
  ['features/maintenance/index.ts', `export { x } from '../../roles/bot.ts'`],
  ['features/maintenance/index.ts', `export { x } from '../../run/check.ts'`],
  ['features/maintenance/index.ts', `export { x } from '../claim/module.ts'`],
  ['helpers/x.ts', `import { z } from 'zod'`],
]

for (const [from, line] of wrong) {
  test(`the rules would refuse ${line} in ${from}`, (t) => {
    const [found] = importsOf(from, line)
    t.truthy(found)
    t.is(typeof (found && faultOf(found)), 'string')
  })
}

test('the rules would find a circle', (t) => {
  const circle = [
    ...importsOf('jobs/a.ts', `import { b } from './b.ts'`),
    ...importsOf('jobs/b.ts', `import './c.ts'`),
    ...importsOf('jobs/c.ts', `export {\n  a,\n} from './a.ts'`),
  ]
  t.is(circleIn(circle)?.length, 4)
})

const made =
  'database.query(`CREATE TABLE links (uuid TEXT)`)\ndatabase.query(`CREATE TABLE job_events (id TEXT)`)'

for (const line of [
  'database.query(`SELECT 1 FROM jobs JOIN links ON true`)',
  "database.query('DELETE FROM links')",
  'const table = `job_events`',
  "sequelize.model('links')",
]) {
  test(`the rules would find another's table in ${line}`, (t) => {
    const found = strayTables(
      new Map([
        ['links/migrations.ts', made],
        ['features/maintenance/history.ts', `/** The links. */\n${line}`],
      ]),
    )
    t.is(found.length, 1)
  })
}

test('the rules would find the kind of another feature, and one that has a strange name', (t) => {
  const sources = new Map([
    [
      'features/ingest/kinds.ts',
      "const small: FileType = { name: 'ingest-small', payload }; const lane: Lane = x",
    ],
    ['features/ingest/transfer.ts', 'const kind = { lane: lanes.small }'],
    ['features/maintenance/retention.ts', "jobs.active('ingest-small', 10)"],
  ])
  t.deepEqual(strayKinds(sources), [
    { file: 'features/maintenance/retention.ts', name: 'ingest', owner: 'features/ingest' },
  ])
  t.deepEqual(
    misnamedKinds(
      new Map([['features/ingest/x.ts', "const kind: JobType<typeof payload> = { name: 'fetch', payload }"]]),
    ),
    ['features/ingest/x.ts: fetch'],
  )
})
