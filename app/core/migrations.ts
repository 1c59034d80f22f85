/** One step of the tables' history. A landed migration is never changed or renamed. */
export interface Migration {
  /** Unique; `<owner>-<number>`. */
  name: string
  /** Statements that SQLite and PostgreSQL both take. They only add, so that the release before still runs. */
  statements: string[]
}

interface Target {
  transaction<T>(work: () => Promise<T>): Promise<T>
  query<R extends Record<string, unknown>>(sql: string, ...parameters: unknown[]): Promise<R[]>
}

/** Applies what is not yet applied, in order, in one transaction: several roles may start at the same moment. */
export async function applyMigrations(database: Target, migrations: Migration[]): Promise<void> {
  await database.transaction(async () => {
    await database.query(
      'CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied_at BIGINT NOT NULL)',
    )
    const rows = await database.query<{ name: string }>('SELECT name FROM migrations')
    const applied = new Set(rows.map((row) => row.name))
    for (const { name, statements } of migrations.filter((migration) => !applied.has(migration.name))) {
      for (const statement of statements) await database.query(statement)
      await database.query('INSERT INTO migrations (name, applied_at) VALUES ($1, $2)', name, Date.now())
    }
  })
}
