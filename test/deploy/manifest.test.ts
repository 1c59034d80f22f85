import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { healthParts } from '../../app/declarations.ts'
import { roles } from '../../app/roles.ts'
import { readManifest } from '../helpers/units.ts'

const systemd = join(import.meta.dirname, '../../systemd')

const manifest = readManifest(systemd)

const unitText = (unit: string) => readFile(join(systemd, unit), 'utf8')

test('the manifest names each unit, once', async (t) => {
  const files = (await readdir(systemd)).filter((name) => /\.(service|socket|target)$/.test(name))
  const named = manifest.map(({ unit }) => unit)
  t.deepEqual(named.toSorted(), files.toSorted())
})

test('a socket comes before its service, so that at a stop it starts none again', async (t) => {
  const order = manifest.map(({ unit }) => unit)
  for (const socket of order.filter((unit) => unit.endsWith('.socket'))) {
    t.true(order.indexOf(socket) < order.indexOf(socket.replace('.socket', '.service')), socket)
  }
})

test('each unit has the user, the secrets and the target that the manifest says, and no other', async (t) => {
  const database = (await unitText('database.conf')).replace(
    '@CREDENTIAL@',
    '/etc/tgdepot/secrets/DATABASE_URL',
  )
  for (const { unit, user, enabled, secrets, reads } of manifest) {
    const text = await unitText(unit)
    t.is(/^WantedBy=(.*)$/m.exec(text)?.[1], enabled, unit)
    if (!unit.endsWith('.service')) continue
    t.is(/^User=(.*)$/m.exec(text)?.[1] ?? 'root', user, unit)
    const isRole = reads.some((name) => name.startsWith('release:'))
    const all = isRole ? text + database : text
    const handed = [...all.matchAll(/^\w+=.*\/etc\/tgdepot\/secrets\/(\w+)$/gm)].map(([, name]) => name)
    t.deepEqual(handed.toSorted(), secrets.toSorted(), unit)
  }
})

test('what a unit reads when it starts is what the manifest says', async (t) => {
  for (const { unit, reads } of manifest) {
    const text = await unitText(unit)
    const role = /app\/main\.ts (\w+)$/m.exec(text)?.[1]
    const files = [...text.matchAll(/(?:^EnvironmentFile=|^ExecStart=| )(\/(?:etc|opt)\/tgdepot\/[^\s]+)/gm)]
      .map(([, path = '']) =>
        path.replace(/^\/opt\/tgdepot\/current\/(app|node_modules)\/.*/, `release:${role}`),
      )
      .filter((path) => !path.includes('/secrets/'))
    t.deepEqual([...new Set(files)].toSorted(), reads.toSorted(), unit)
  }
})

test('every part of /health that a unit is named for is one that /health has', (t) => {
  const known = healthParts.map(({ name }) => name)
  const named = manifest.flatMap(({ health }) => (health === '' ? [] : [health]))
  t.true(named.length > 0)
  for (const part of named) t.true(known.includes(part), part)
})

test('every role has a unit that runs it, and the unit reads its part of the release', async (t) => {
  for (const { name } of roles) {
    const [line, ...others] = manifest.filter(({ reads }) => reads.includes(`release:${name}`))
    t.deepEqual(others, [], name)
    t.regex(await unitText(line?.unit ?? ''), new RegExp(`app/main\\.ts ${name}$`, 'm'), name)
  }
})
