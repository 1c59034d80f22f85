import test from 'ava'
import { declarations, healthParts, migrations } from '../../app/declarations.ts'
import { commandRole, roles } from '../../app/roles.ts'
import { commands } from '../../app/run/commands.ts'

const twice = (names: string[]) => names.filter((name, at) => names.indexOf(name) !== at)

test('no two modules or features, roles, commands or parts of /health have one name', (t) => {
  for (const named of [declarations, [...roles, commandRole], [...commands, ...roles], healthParts]) {
    t.deepEqual(twice(named.map(({ name }) => name)), [])
  }
})

test('every part of /health is reported by a role that there is', (t) => {
  const names = roles.map(({ name }) => name)
  for (const { name, of } of healthParts) t.true(names.includes(of), name)
})

test('no two migrations make the same thing', (t) => {
  const statements = migrations.flatMap((migration) => migration.statements)
  t.true(statements.length > 30)
  t.deepEqual(twice(statements), [])
})
