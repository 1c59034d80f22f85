import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Health } from '../../app/core/health.ts'
import { healthParts } from '../../app/declarations.ts'
import { Jobs } from '../../app/jobs/index.ts'
import { Links } from '../../app/links/index.ts'
import { Store } from '../../app/store/index.ts'
import { openRecords, type Records } from './records.ts'

/** The owners of a context on new folders, in this process, where a running app can share them. */
export interface Depot extends Records {
  health: Health
  links: Links
  jobs: Jobs
  store: Store
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
  const records = await openRecords()
  const { dir, database, log } = records
  const store = new Store({ STORAGE_PATH: join(dir, 'store'), MIN_FREE_DISK: () => 0 }, log)
  store.attach(database)
  await store.open(async () => ({ any: false, sample: [], knowAny: async () => false }))
  const quotas = { STORAGE_QUOTA: 0, USER_QUOTA: 0 }
  const links = new Links(
    { DOWNLOAD_URL_BASE: 'https://files.example.org', FILE_RETENTION_DAYS: 30, ...quotas },
    database,
  )
  return {
    ...records,
    health: new Health(database, healthParts),
    links,
    jobs: new Jobs(database, log),
    store,
    async share({ uuid, bytes, name = 'file.bin', mimeType = 'application/octet-stream', ...more }) {
      const { fileUniqueId = uuid, expiresAt = null } = more
      const source = join(dir, `source-${uuid}`)
      await writeFile(source, bytes)
      const size = Buffer.byteLength(bytes)
      await store.importFile(uuid, source, { size, limit: 1e9 })
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
  }
}
