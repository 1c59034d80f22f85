import type { Database } from '../../app/core/database/database.ts'

/** The same database, which keeps what it is asked. */
export function recordStatements(database: Database): { database: Database; statements: Set<string> } {
  const statements = new Set<string>()
  const query: Database['query'] = (sql, ...parameters) => {
    statements.add(sql)
    return database.query(sql, ...parameters)
  }
  return { database: { ...database, query }, statements }
}

/** The steps of SQLite's plan for a statement, whatever its parameters. */
export async function planOf(database: Database, sql: string): Promise<string[]> {
  const steps = await database.query<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`, ...Array(20).fill(1))
  return steps.map(({ detail }) => detail)
}
