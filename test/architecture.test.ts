import { join } from 'node:path'
import test from 'ava'
import { circleIn, faultOf, importsOf, readSources } from './helpers/imports.ts'

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
