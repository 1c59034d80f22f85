import { StartError } from '../errors.ts'

/** One step of the tables' history. A landed migration is never changed or renamed. */
export interface Migration {
  /** `<module>-<number>`; modules that were one share the names of that time. */
  name: string
  /** Statements that SQLite and PostgreSQL both take. They only add, so that the release before still runs. */
  statements: string[]
  /** The release before must not run on what this leaves: it could not read it, or would spoil it. */
  breaking?: true
}

interface Target {
  transaction<T>(work: () => Promise<T>): Promise<T>
  query<R extends Record<string, unknown>>(sql: string, ...parameters: unknown[]): Promise<R[]>
}

/** Before all others: rows are written with this column. A release that does not know it leaves it at 0. */
const own: Migration = {
  name: 'migrations-1',
  statements: ['ALTER TABLE migrations ADD COLUMN breaking INTEGER NOT NULL DEFAULT 0'],
}

interface Applied {
  name: string
  breaking?: number
}

function unknownTo(migrations: Migration[], applied: Applied[]): Applied[] {
  const known = new Set([own, ...migrations].map(({ name }) => name))
  return applied.filter(({ name }) => !known.has(name))
}

/** Why these migrations' release cannot work with a database to which others were applied; empty when it can. */
export function breakingChanges(applied: Applied[], migrations: Migration[]): string[] {
  const breaking = unknownTo(migrations, applied).filter(({ breaking }) => breaking === 1)
  if (breaking.length === 0) return []
  const names = breaking.map(({ name }) => name).join(', ')
  return [
    `DATABASE_URL: a newer release of tgdepot has changed this database (${names}) in a way that ` +
      'this one cannot work with; install the newer release again, or put back a backup from before it',
  ]
}

/** The names of these migrations that a database does not have yet. */
export function pendingChanges(applied: Applied[], migrations: Migration[]): string[] {
  const names = new Set(applied.map(({ name }) => name))
  return [...new Set([own, ...migrations].map(({ name }) => name))].filter((name) => !names.has(name))
}

/**
 * Applies what is not yet applied, in order, in one transaction: several roles may start at the same moment.
 * Returns the names of those that only a newer release knows.
 * @throws StartError when one of these is breaking
 */
export async function applyMigrations(database: Target, migrations: Migration[]): Promise<string[]> {
  return await database.transaction(async () => {
    await database.query(
      'CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied_at BIGINT NOT NULL)',
    )
    const rows = await database.query<Applied & Record<string, unknown>>('SELECT * FROM migrations')
    const faults = breakingChanges(rows, migrations)
    if (faults.length > 0) throw new StartError(...faults)
    const newer = unknownTo(migrations, rows)
    const applied = new Set(rows.map(({ name }) => name))
    for (const { name, statements, breaking } of [own, ...migrations]) {
      if (applied.has(name)) continue
      for (const statement of statements) await database.query(statement)
      const sql =
        'INSERT INTO migrations (name, applied_at, breaking) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING'
      await database.query(sql, name, Date.now(), Number(breaking ?? false))
    }
    return newer.map(({ name }) => name)
  })
}
