import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import type { Table } from '../../../app/core/database/model.ts'
import { openRecords } from '../../helpers/records.ts'

const app = join(import.meta.dirname, '../../../app')

/** All that the modules declare. */
async function tables(): Promise<Table[]> {
  const files = (await readdir(app, { recursive: true })).filter((name) => name.endsWith('.model.ts'))
  const modules = await Promise.all(files.map((name) => import(join(app, name))))
  return modules.flatMap((module: Record<string, Table>) => Object.values(module))
}

/** In words of ours; SQLite takes `BIGINT` as it is written, and an id of its own for a BIGINT. */
function typeOf(type: string, isKey: boolean): string {
  const word = type.toLowerCase()
  return isKey && word === 'integer' ? 'bigint' : word
}

test('each table is as its migrations have left it, on the database of this run', async (t) => {
  await using records = await openRecords()
  const { database } = records
  for (const { name, columns } of await tables()) {
    const found = await database.sequelize.getQueryInterface().describeTable(name)
    const made = Object.entries(found).map(([column, { type, allowNull, primaryKey }]) => {
      // SQLite lets the parts of a key be NULL unless that is forbidden too.
      return [
        column,
        { type: typeOf(type, primaryKey), isKey: primaryKey, mayBeNull: allowNull && !primaryKey },
      ]
    })
    t.deepEqual(columns, Object.fromEntries(made), name)
  }
})

test('what a model reads is what the statement wrote, numbers as numbers', async (t) => {
  await using records = await openRecords()
  const { database } = records
  const table = (await tables()).find(({ name }) => name === 'link_usage') as Table
  await database.query('INSERT INTO link_usage (owner, bytes) VALUES ($1, $2)', 2 ** 52, 7)
  t.deepEqual(await database.rows(table, { owner: 2 ** 52 }), [{ owner: 2 ** 52, bytes: 7 }])
  t.deepEqual(await database.rows(table, { owner: 1 }), [])
})
