import type { Database } from '../core/database/database.ts'
import type { LinkRow } from './link.model.ts'
import { LinkLookup } from './lookup.ts'
import type { LinksSettings } from './settings.ts'
import { nameInUrl } from './url-name.ts'
import { Usage } from './usage.ts'

/** What a UUID means. It knows where its file came from, so that it can be fetched again. */
export interface Link {
  uuid: string
  userId: number
  /** As the sender named it, made safe for any file system. */
  name: string
  mimeType: string
  size: number
  fileUniqueId: string
  source: { botId: number; fileId: string; chatId: number; messageId: number }
  /** Milliseconds since 1970, or null for a link without end. */
  expiresAt: number | null
}

/** All links, for the role that makes and ends them. */
export class Links extends LinkLookup {
  readonly #settings: LinksSettings
  readonly usage: Usage
  readonly #database: Database

  constructor(settings: LinksSettings, database: Database) {
    super(database)
    this.#settings = settings
    this.#database = database
    this.usage = new Usage(database)
  }

  /** Whether anyone's bytes are limited. */
  get hasQuotas(): boolean {
    return this.#settings.USER_QUOTA > 0 || this.#settings.STORAGE_QUOTA > 0
  }

  /** The address that the owner of a link is given. The UUID alone is the link; its name is for whoever saves it. */
  urlOf(uuid: string, name: string): string {
    return `${this.#settings.DOWNLOAD_URL_BASE}/download/${uuid}${nameInUrl(name)}`
  }

  /** Days for which a link is kept; 0 without end. */
  get retentionDays(): number {
    return this.#settings.FILE_RETENTION_DAYS
  }

  /** When a link made at `now` ends, both in milliseconds since 1970; null if links do not end. */
  expiry(now: number): number | null {
    return this.retentionDays === 0 ? null : now + this.retentionDays * 86_400_000
  }

  /** DataContext a link; without effect when it is already recorded. */
  async create(link: Link): Promise<void> {
    await this.#database.transaction(async () => {
      const created = await this.#database.query(
        `INSERT INTO links (uuid, user_id, name, mime_type, size, file_unique_id, bot_id, file_id, chat_id,
           message_id, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (uuid) DO NOTHING RETURNING uuid`,
        link.uuid,
        link.userId,
        link.name,
        link.mimeType,
        link.size,
        link.fileUniqueId,
        link.source.botId,
        link.source.fileId,
        link.source.chatId,
        link.source.messageId,
        Date.now(),
        link.expiresAt,
      )
      if (created.length > 0) await this.usage.add(link)
    })
  }

  /** The newest living link to the same content, whichever user's it is. */
  async findByContent(fileUniqueId: string, size: number): Promise<string | undefined> {
    const [row] = await this.#database.query<{ uuid: string }>(
      `SELECT uuid FROM links WHERE file_unique_id = $1 AND size = $2 AND removed_at IS NULL
         AND missing_at IS NULL AND (expires_at IS NULL OR expires_at > $3) ORDER BY created_at DESC LIMIT 1`,
      fileUniqueId,
      size,
      Date.now(),
    )
    return row?.uuid
  }

  /** Bytes that a user may still keep, and that the store may; without a limit, endless. */
  async remainingQuota(userId: number): Promise<{ user: number; store: number }> {
    const { USER_QUOTA, STORAGE_QUOTA } = this.#settings
    const endless = Number.POSITIVE_INFINITY
    return {
      user: USER_QUOTA === 0 ? endless : USER_QUOTA - (await this.usage.ofUser(userId)),
      store: STORAGE_QUOTA === 0 ? endless : STORAGE_QUOTA - (await this.usage.ofStore()),
    }
  }

  /**
   * UUIDs of up to `limit` links whose time had ended at a moment and whose bytes are still kept, oldest first.
   * @param offset how many of the oldest are passed over
   */
  async listExpired(limit: number, before = Date.now(), offset = 0): Promise<string[]> {
    const rows = await this.#database.query<{ uuid: string }>(
      `SELECT uuid FROM links WHERE removed_at IS NULL AND expires_at <= $1 ORDER BY expires_at LIMIT $2 OFFSET $3`,
      before,
      limit,
      offset,
    )
    return rows.map((row) => row.uuid)
  }

  /** DataContext that the bytes of links are gone; the rows stay for the statistics. Returns their sizes' sum. */
  async markRemoved(uuids: string[]): Promise<number> {
    return await this.#database.transaction(async () => {
      const places = uuids.map((_, i) => `$${i + 2}`).join(', ')
      const rows = await this.#database.query<Pick<LinkRow, 'user_id' | 'file_unique_id' | 'size'>>(
        `UPDATE links SET removed_at = $1 WHERE uuid IN (${places}) AND removed_at IS NULL
         RETURNING user_id, file_unique_id, size`,
        Date.now(),
        ...uuids,
      )
      const gone = rows.map(({ user_id, file_unique_id, size }) => {
        return { userId: user_id, fileUniqueId: file_unique_id, size }
      })
      await this.usage.subtract(gone)
      return gone.reduce((sum, { size }) => sum + size, 0)
    })
  }

  /** UUIDs of all links in force that begin with `prefix`, two hexadecimal digits. */
  async listShard(prefix: string): Promise<{ uuid: string; missing: boolean }[]> {
    const rows = await this.#database.query<Pick<LinkRow, 'uuid' | 'missing_at'>>(
      `SELECT uuid, missing_at FROM links WHERE uuid >= $1 AND uuid < $2 AND removed_at IS NULL
         AND (expires_at IS NULL OR expires_at > $3)`,
      prefix,
      `${prefix}g`,
      Date.now(),
    )
    return rows.map(({ uuid, missing_at }) => ({ uuid, missing: missing_at !== null }))
  }

  /** Whether a link with this UUID was ever recorded and has not been removed. */
  async has(uuid: string): Promise<boolean> {
    return (await this.filterKnown([uuid])).size > 0
  }

  /** The UUIDs of all links of a user, also of those that are over. */
  async uuidsOf(userId: number): Promise<string[]> {
    const sql = 'SELECT uuid FROM links WHERE user_id = $1'
    return (await this.#database.query<{ uuid: string }>(sql, userId)).map(({ uuid }) => uuid)
  }

  /** Whether any link was ever made. */
  async any(): Promise<boolean> {
    return (await this.#database.query('SELECT 1 FROM links LIMIT 1')).length > 0
  }

  /**
   * UUIDs of up to `limit` links in force whose bytes should be there: of any age, since Telegram's ids of contents are
   * random. In the order of an index that holds none of the removed links, however many these are.
   */
  async sample(limit: number): Promise<string[]> {
    const rows = await this.#database.query<{ uuid: string }>(
      `SELECT uuid FROM links WHERE removed_at IS NULL AND missing_at IS NULL
         AND (expires_at IS NULL OR expires_at > $1) ORDER BY file_unique_id, size, created_at LIMIT $2`,
      Date.now(),
      limit,
    )
    return rows.map((row) => row.uuid)
  }

  /** Those of some UUIDs, any number, whose link is recorded and has not been removed. */
  async filterKnown(uuids: string[]): Promise<Set<string>> {
    const known = new Set<string>()
    for (const some of inChunks(uuids)) {
      const places = some.map((_, i) => `$${i + 1}`).join(', ')
      const sql = `SELECT uuid FROM links WHERE uuid IN (${places}) AND removed_at IS NULL`
      for (const { uuid } of await this.#database.query<{ uuid: string }>(sql, ...some)) known.add(uuid)
    }
    return known
  }

  /** DataContext in one transaction that the bytes of links are not there although they should be, or that they are back. */
  async setMissing(uuids: string[], missing: boolean): Promise<void> {
    if (uuids.length === 0) return
    await this.#database.transaction(async () => {
      for (const some of inChunks(uuids)) {
        const places = some.map((_, i) => `$${i + 2}`).join(', ')
        const sql = `UPDATE links SET missing_at = $1 WHERE uuid IN (${places})`
        await this.#database.query(sql, missing ? Date.now() : null, ...some)
      }
    })
  }

  /** A group has become a supergroup. Looks at each link: that is rare enough for no index. */
  async moveChat(botId: number, from: number, to: number): Promise<void> {
    const sql = 'UPDATE links SET chat_id = $3 WHERE bot_id = $1 AND chat_id = $2'
    await this.#database.query(sql, botId, from, to)
  }
}

/** Places in one statement: short enough that others hardly wait for it. */
const chunk = 500

function inChunks(uuids: string[]): string[][] {
  const count = Math.ceil(uuids.length / chunk)
  return Array.from({ length: count }, (_, i) => uuids.slice(i * chunk, (i + 1) * chunk))
}
