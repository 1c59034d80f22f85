import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { z } from 'zod'
import { databaseSettings } from '../../app/core/database/settings.ts'
import { httpSettings } from '../../app/core/http-settings.ts'
import { features } from '../../app/features.ts'
import { jobsSettings } from '../../app/jobs/index.ts'
import { linksSettings } from '../../app/links/index.ts'
import { storeSettings } from '../../app/store/index.ts'
import { telegramSettings } from '../../app/telegram/index.ts'
import { usersSettings } from '../../app/users/index.ts'

const root = join(import.meta.dirname, '../..')
const example = await readFile(join(root, 'deploy/env.example'), 'utf8')
const lines = new Map(
  [...example.matchAll(/^#([A-Z_]+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]),
)

const owners = [
  databaseSettings,
  httpSettings,
  jobsSettings,
  linksSettings,
  storeSettings,
  telegramSettings,
  usersSettings,
]
const shapes = [...owners, ...features.map(({ settings }) => settings)].map((settings) => settings.shape)
const known = new Map<string, z.ZodType>([
  ...shapes.flatMap((shape) => Object.entries(shape)),
  ['LOG_LEVEL', z.string().default('info')],
])

test('deploy/env.example lists exactly the settings that the code reads', (t) => {
  t.deepEqual([...lines.keys()].sort(), [...known.keys()].sort())
})

test('no other setting is declared anywhere in app/', async (t) => {
  const files = (await readdir(join(root, 'app'), { recursive: true })).filter((name) => name.endsWith('.ts'))
  for (const name of files) {
    const text = await readFile(join(root, 'app', name), 'utf8')
    for (const [, setting = ''] of text.matchAll(/^\s+([A-Z][A-Z_]{3,}): [a-z]\w*\s*[.(,]/gm)) {
      t.true(known.has(setting), `${setting} in ${name}`)
    }
  }
})

/** A setting that became a function of the disk's size is known by what it gives for some sizes. */
const shown = (value: unknown) =>
  typeof value === 'function' ? [1, 100, 10_000].map((gibibytes) => value(gibibytes * 2 ** 30)) : value

for (const [name, written] of lines) {
  test(`deploy/env.example gives the default of ${name}`, (t) => {
    const byDefault = known.get(name)?.safeParse(undefined).data
    const isNothing = byDefault === undefined || byDefault instanceof Set
    t.is(written === '', isNothing)
    if (!isNothing) t.deepEqual(shown(known.get(name)?.safeParse(written).data), shown(byDefault))
  })
}

test('every line of deploy/env.example is a setting, a comment of whole sentences, or empty', (t) => {
  for (const line of example.split('\n')) t.regex(line, /^$|^# \S|^#[A-Z_]+=/)
})

test('the README has a row for each of these settings, with the same default', async (t) => {
  const readme = await readFile(join(root, 'README.md'), 'utf8')
  const rows = [...readme.matchAll(/^\| ((?:`[A-Z][A-Z_]+`(?:, )?)+) \| (.*?) ?\| /gm)]
  const documented = rows.flatMap(([, names = '', defaults = '']) => {
    const several = names.split(', ')
    const values = several.length > 1 ? defaults.split(', ') : [defaults]
    return several.map((name, i): [string, string] => [name.replaceAll('`', ''), values[i] ?? ''])
  })
  t.deepEqual(new Map(documented.sort()), new Map([...lines].sort()))
})
