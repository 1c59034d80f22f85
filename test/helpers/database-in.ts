import { join } from 'node:path'

/** Whether this run is one on PostgreSQL, whose server then stands by; see scripts/with-postgres.ts. */
export const onPostgres = process.env.TEST_DATABASE === 'postgres'

const made = new Map<string, string>()

/** The database of what runs in a folder: a file there, or one on the server of this run. */
export async function databaseIn(dir: string): Promise<{ url: string; drop: () => Promise<void> }> {
  if (!onPostgres) return { url: `sqlite:${join(dir, 'db', 'tgdepot.db')}`, drop: async () => {} }
  const { createDatabase, dropDatabase } = await import('./postgres.ts')
  const url = made.get(dir) ?? (await createDatabase(process.env.TEST_POSTGRES as string))
  made.set(dir, url)
  return { url, drop: () => dropDatabase(url) }
}
