import { StartError } from '../errors.ts'
import type { Database } from './database.ts'

/** Of each process and release: not moved. */
const own = ['migrations', 'leaders']

/** Rows read and written at a time. */
const batch = 500

/** A table as far as its rows are to be moved. */
interface Moved {
  name: string
  columns: string[]
  /** Columns whose values are whole numbers. */
  numbers: string[]
  /** Columns whose values are numbers with fractions. */
  fractions: string[]
  key: string[]
}

/**
 * Copies all rows of a database into an empty one that has the same tables, in one transaction: when it returns all is
 * there, checked by counts and sums, and `arrived` is done within it; when it throws, nothing. Returns how many rows each table has.
 * @throws StartError
 */
export async function moveRows(
  from: Database,
  to: Database,
  arrived: () => Promise<void>,
): Promise<Map<string, number>> {
  if (from.newer.length > 0) {
    const names = from.newer.join(', ')
    throw new StartError(`a newer release has changed the database (${names}); use that one to move it`)
  }
  const tables = await tablesOf(from)
  for (const { name } of tables) {
    if ((await to.query(`SELECT 1 FROM ${name} LIMIT 1`)).length === 0) continue
    throw new StartError(`the new database is not empty: its table ${name} has rows; give one that is new`)
  }
  const counts = new Map<string, number>()
  await to.transaction(async () => {
    for (const table of tables) {
      await copy(from, to, table).catch((error: Error) => {
        throw new StartError(`the table ${table.name} cannot be moved (${error.message}); nothing was moved`)
      })
      const [was, is] = [await sumsOf(from, table), await sumsOf(to, table)]
      if (JSON.stringify(was) !== JSON.stringify(is)) {
        throw new StartError(
          `the table ${table.name} has not arrived as it was (${JSON.stringify(was)}, now ${JSON.stringify(is)}): ` +
            'was the old database written to meanwhile? Nothing was moved; it may be tried again',
        )
      }
      counts.set(table.name, Number(was.count))
      if (to.dialect === 'postgres') await countOn(to, table)
    }
    await arrived()
  })
  return counts
}

/** In the order in which they were made, so that what is referred to comes first. */
async function tablesOf(database: Database): Promise<Moved[]> {
  const sql = {
    sqlite: `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid`,
    postgres: `SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema::regnamespace
      ORDER BY oid`,
  }
  const rows = await database.query<{ name: string }>(sql[database.dialect])
  const names = rows.map(({ name }) => name).filter((name) => !own.includes(name))
  const shapes = database.sequelize.getQueryInterface()
  return await Promise.all(
    names.map(async (name) => {
      const columns = Object.entries(await shapes.describeTable(name))
      const named = (which: typeof columns) => which.map(([column]) => column)
      return {
        name,
        columns: named(columns),
        numbers: named(columns.filter(([, { type }]) => /INT/i.test(type))),
        fractions: named(columns.filter(([, { type }]) => /DOUBLE/i.test(type))),
        key: named(columns.filter(([, { primaryKey }]) => primaryKey)),
      }
    }),
  )
}

async function copy(from: Database, to: Database, { name, columns, key }: Moved): Promise<void> {
  let last: Record<string, unknown> | undefined
  for (;;) {
    const after = last
    const places = key.map((_, at) => `$${at + 1}`)
    const rows = await from.query(
      `SELECT ${columns.join(', ')} FROM ${name} ${after ? `WHERE (${key.join(', ')}) > (${places.join(', ')})` : ''}
       ORDER BY ${key.join(', ')} LIMIT ${batch}`,
      ...(after ? key.map((column) => after[column]) : []),
    )
    if (rows.length === 0) return
    const values = rows.map((_, row) =>
      columns.map((_, at) => `$${row * columns.length + at + 1}`).join(', '),
    )
    await to.query(
      `INSERT INTO ${name} (${columns.join(', ')}) VALUES (${values.join('), (')})`,
      ...rows.flatMap((row) => columns.map((column) => row[column])),
    )
    last = rows.at(-1)
  }
}

/** Small enough for a number, however many rows there are: of each value what a prime leaves, of texts their lengths. */
async function sumsOf(
  database: Database,
  { name, columns, numbers, fractions }: Moved,
): Promise<Record<string, unknown>> {
  const sums = columns.map((column) => {
    // As a NUMERIC both databases round halves away from zero.
    const whole = fractions.includes(column) ? `CAST(ROUND(CAST(${column} AS NUMERIC)) AS BIGINT)` : column
    const isNumber = numbers.includes(column) || fractions.includes(column)
    const value = isNumber ? `${whole} % 1000003` : `LENGTH(${column})`
    return `SUM(${value}) AS ${column}_sum, COUNT(${column}) AS ${column}_count`
  })
  const [row] = await database.query(`SELECT COUNT(*) AS count, ${sums.join(', ')} FROM ${name}`)
  return row ?? {}
}

/** New ids begin after those that were moved. */
async function countOn(to: Database, { name, numbers }: Moved): Promise<void> {
  if (!numbers.includes('id')) return
  const sequence = `pg_get_serial_sequence('${name}', 'id')`
  await to.query(
    `SELECT setval(${sequence}, MAX(id)) FROM ${name} WHERE ${sequence} IS NOT NULL HAVING MAX(id) IS NOT NULL`,
  )
}
