import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { z } from 'zod'
import { StartError } from '../../app/core/errors.ts'
import { httpAddress, readSettings, wholeNumber } from '../../app/core/settings.ts'

const shapes = {
  one: z.object({ PORT: wholeNumber(0, 65_535).default(8000), SECRET: z.string('is missing') }),
  two: z.object({ BASE: httpAddress.default('http://localhost'), PLACE: z.string().optional() }),
}

test('an empty value and one of blanks count as not set', (t) => {
  const { one, two } = readSettings(shapes, { PORT: '', SECRET: 's', BASE: '  ', PLACE: '' })
  t.is(one.PORT, 8000)
  t.is(two.BASE, 'http://localhost')
  t.is(two.PLACE, undefined)
})

test('all faults of all owners are told at once, a line each, with their names', (t) => {
  const error = t.throws(() => readSettings(shapes, { PORT: '99999', BASE: 'ftp://x' }), {
    instanceOf: StartError,
  })
  t.deepEqual(
    error?.faults.map((fault) => fault.split(':', 1)[0]),
    ['PORT', 'SECRET', 'BASE'],
  )
  t.is(error?.faults[1], 'SECRET: is missing')
})

test('an owner that does not run here misses nothing', (t) => {
  const { one, two } = readSettings({ one: undefined as typeof shapes.one | undefined, two: shapes.two }, {})
  t.is(one, undefined)
  t.is(two.BASE, 'http://localhost')
})

async function credentials(t: import('ava').ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'tgdepot-credentials-'))
  t.teardown(() => rm(directory, { recursive: true }))
  return directory
}

test('a credential comes before the environment, without the line break at its end', async (t) => {
  const CREDENTIALS_DIRECTORY = await credentials(t)
  await writeFile(join(CREDENTIALS_DIRECTORY, 'SECRET'), 'from the file\n')
  const { one } = readSettings(shapes, { CREDENTIALS_DIRECTORY, SECRET: 'from the environment', PORT: '1' })
  t.deepEqual(one, { SECRET: 'from the file', PORT: 1 })
})

test('without a credential of its name a setting comes from the environment', async (t) => {
  const CREDENTIALS_DIRECTORY = await credentials(t)
  const { one } = readSettings(shapes, { CREDENTIALS_DIRECTORY, SECRET: 'from the environment' })
  t.is(one.SECRET, 'from the environment')
})

test('a credential that cannot be read is one fault among the others', async (t) => {
  const CREDENTIALS_DIRECTORY = await credentials(t)
  await mkdir(join(CREDENTIALS_DIRECTORY, 'SECRET'))
  const error = t.throws(() => readSettings(shapes, { CREDENTIALS_DIRECTORY, PORT: 'x' }), {
    instanceOf: StartError,
  })
  t.regex(error?.message ?? '', /SECRET: .*cannot be read \(EISDIR\)/)
  t.regex(error?.message ?? '', /PORT: /)
})

for (const value of ['-1', '1.5', '1e3', '0x10', ' 5 5', '65536', 'NaN', '٣']) {
  test(`${JSON.stringify(value)} is no port`, (t) => {
    t.throws(() => readSettings(shapes, { SECRET: 's', PORT: value }), {
      message: /PORT: must be a whole number from 0 to 65535/,
    })
  })
}

for (const value of [
  'files.example.org',
  'https://u:p@x.org',
  'https://x.org/?a',
  'https://x.org/#a',
  'file:///x',
]) {
  test(`${value} is no address for links`, (t) => {
    t.throws(() => readSettings(shapes, { SECRET: 's', BASE: value }), {
      message: /^BASE: must be an address/,
    })
  })
}

test('an address may have a path and loses the slash at its end', (t) => {
  const { two } = readSettings(shapes, { SECRET: 's', BASE: 'https://x.org/files/' })
  t.is(two.BASE, 'https://x.org/files')
})

async function settingsFile(t: import('ava').ExecutionContext, text: string): Promise<string> {
  const file = join(await credentials(t), 'tgdepot.env')
  await writeFile(file, text)
  return file
}

test('an unknown name in the settings file is a fault, with the name that may be meant', async (t) => {
  const SETTINGS_FILE = await settingsFile(
    t,
    '# Mine\nPROT=1\n export_me=2\nNODE_OPTIONS=--x\nTZ=UTC\nPORT=1\n;BSAE=1\n',
  )
  const error = t.throws(() => readSettings(shapes, { SECRET: 's', SETTINGS_FILE }), {
    instanceOf: StartError,
  })
  t.deepEqual(error?.faults, ['PROT: no such setting; is PORT meant?', 'export_me: no such setting'])
})

test('what another role reads is not unknown', async (t) => {
  const SETTINGS_FILE = await settingsFile(t, 'TOKEN=x\n')
  const elsewhere = [z.object({ TOKEN: z.string() })]
  t.notThrows(() => readSettings(shapes, { SECRET: 's', SETTINGS_FILE, TOKEN: 'x' }, elsewhere))
})

test('of the environment only what looks like a setting is a fault', (t) => {
  const env = { SECRET: 's', HOME: '/', SECRETS: 'x', place: 'y', MY_OWN_VARIABLE: 'z' }
  const error = t.throws(() => readSettings(shapes, env), { instanceOf: StartError })
  t.deepEqual(error?.faults, [
    'SECRETS: no such setting; is SECRET meant?',
    'place: no such setting; is PLACE meant?',
  ])
})

test('a settings file that cannot be read is a fault', (t) => {
  const env = { SECRET: 's', SETTINGS_FILE: '/nowhere/tgdepot.env' }
  const error = t.throws(() => readSettings(shapes, env), { instanceOf: StartError })
  t.deepEqual(error?.faults, ['SETTINGS_FILE: cannot be read (ENOENT)'])
})
