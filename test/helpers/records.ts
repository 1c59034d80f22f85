import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { type Database, openDatabase } from '../../app/core/database/database.ts'
import type { Log } from '../../app/core/log.ts'
import { migrations as allMigrations } from '../../app/declarations.ts'
import { databaseIn } from './database-in.ts'

export { allMigrations }

/** A new folder with a database that has all tables, and a log that is kept. */
export interface Records extends AsyncDisposable {
  dir: string
  /** As DATABASE_URL names it. */
  databaseUrl: string
  /** SQLite's file. */
  databaseFile: string
  database: Database
  log: Log
  /** What was logged. */
  lines: Record<string, unknown>[]
}

export async function openRecords(): Promise<Records> {
  const dir = await mkdtemp(join(tmpdir(), 'tgdepot-records-'))
  const { url: databaseUrl, drop } = await databaseIn(dir)
  const lines: Record<string, unknown>[] = []
  const log: Log = pino({ level: 'trace' }, { write: (line: string) => lines.push(JSON.parse(line)) })
  const database = await openDatabase({ DATABASE_URL: databaseUrl, STATE_DIRECTORY: dir }, allMigrations)
  return {
    dir,
    databaseUrl,
    databaseFile: join(dir, 'db', 'tgdepot.db'),
    database,
    log,
    lines,
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]()
      await drop()
      await rm(dir, { recursive: true, force: true })
    },
  }
}
