import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { type Database, openDatabase } from '../../app/core/database.ts'
import { Health, healthMigrations } from '../../app/core/health.ts'
import type { Log } from '../../app/core/log.ts'
import { Jobs, jobsMigrations } from '../../app/jobs/index.ts'
import { Links, linksMigrations } from '../../app/links/index.ts'
import { Store } from '../../app/store/index.ts'
import { telegramMigrations } from '../../app/telegram/index.ts'

const migrations = [...healthMigrations, ...telegramMigrations, ...jobsMigrations, ...linksMigrations]

/** The owners of a house on new folders, in this process, where a running app can share them. */
export interface Depot extends AsyncDisposable {
  dir: string
  databaseFile: string
  database: Database
  health: Health
  links: Links
  jobs: Jobs
  store: Store
  log: Log
  /** What was logged. */
  lines: Record<string, unknown>[]
  /** A link to new bytes. */
  share(link: NewLink): Promise<void>
}

export interface NewLink {
  uuid: string
  bytes: Buffer | string
  name?: string
  mimeType?: string
  fileUniqueId?: string
  /** Milliseconds since 1970. */
  expiresAt?: number | null
}

export async function openDepot(): Promise<Depot> {
  const dir = await mkdtemp(join(tmpdir(), 'tgdepot-depot-'))
  const databaseFile = join(dir, 'db', 'tgdepot.db')
  const lines: Record<string, unknown>[] = []
  const log: Log = pino({ level: 'trace' }, { write: (line: string) => lines.push(JSON.parse(line)) })
  const database = await openDatabase({ DATABASE_URL: `sqlite:${databaseFile}` }, migrations)
  const store = new Store({ STORAGE_PATH: join(dir, 'store'), MIN_FREE_DISK: () => 0 }, log)
  await store.open()
  const quotas = { STORAGE_QUOTA: 0, USER_QUOTA: 0 }
  const links = new Links(
    { DOWNLOAD_URL_BASE: 'https://files.example.org', FILE_RETENTION_DAYS: 30, ...quotas },
    database,
  )
  return {
    dir,
    databaseFile,
    database,
    health: new Health(database),
    links,
    jobs: new Jobs(database, log),
    store,
    log,
    lines,
    async share({ uuid, bytes, name = 'file.bin', mimeType = 'application/octet-stream', ...more }) {
      const { fileUniqueId = uuid, expiresAt = null } = more
      const source = join(dir, `source-${uuid}`)
      await writeFile(source, bytes)
      const size = Buffer.byteLength(bytes)
      await store.keep(uuid, source, { size, limit: 1e9 })
      await rm(source)
      await links.create({
        uuid,
        userId: 1,
        name,
        mimeType,
        size,
        fileUniqueId,
        source: { botId: 1, fileId: 'id', chatId: 1, messageId: 1 },
        expiresAt,
      })
    },
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]()
      await rm(dir, { recursive: true, force: true })
    },
  }
}
