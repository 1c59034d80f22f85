import { z } from 'zod'
import type { Database, Read } from '../core/database.ts'
import type { Migration } from '../core/migrations.ts'
import { httpAddress, wholeNumber } from '../core/settings.ts'

export const linksSettings = z.object({
  DOWNLOAD_URL_BASE: httpAddress.default('http://127.0.0.1:8000'),
  FILE_RETENTION_DAYS: wholeNumber(0, 36_500).default(30),
})

export const linksMigrations: Migration[] = [
  {
    name: 'links-1',
    statements: [
      `CREATE TABLE links (
        uuid TEXT PRIMARY KEY,
        user_id BIGINT NOT NULL,
        name TEXT NOT NULL,
        mime_type TEXT NOT NULL,
        size BIGINT NOT NULL,
        file_unique_id TEXT NOT NULL,
        bot_id BIGINT NOT NULL,
        file_id TEXT NOT NULL,
        chat_id BIGINT NOT NULL,
        message_id BIGINT NOT NULL,
        created_at BIGINT NOT NULL,
        expires_at BIGINT,
        removed_at BIGINT
      )`,
      'CREATE INDEX links_expiring ON links (expires_at) WHERE removed_at IS NULL AND expires_at IS NOT NULL',
      'CREATE INDEX links_content ON links (file_unique_id, size) WHERE removed_at IS NULL',
      'CREATE INDEX links_user ON links (user_id)',
    ],
  },
]

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

/** What is needed to send a file. */
export interface Sendable extends Record<string, unknown> {
  uuid: string
  name: string
  mime_type: string
  size: number
}

const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** A UUID that no link has: a malformed one is looked up as this, and so costs the same as an unknown one. */
const nobody = '00000000-0000-0000-0000-000000000000'

export class Links {
  readonly #settings: z.output<typeof linksSettings>
  readonly #database: Database
  readonly #sendable: Read<Sendable>

  constructor(settings: z.output<typeof linksSettings>, database: Database) {
    this.#settings = settings
    this.#database = database
    this.#sendable = database.prepare<Sendable>(
      `SELECT uuid, name, mime_type, size FROM links
       WHERE uuid = ? AND removed_at IS NULL AND (expires_at IS NULL OR expires_at > ?)`,
    )
  }

  /** The address that the owner of a link is given. */
  urlOf(uuid: string): string {
    return `${this.#settings.DOWNLOAD_URL_BASE}/download/${uuid}`
  }

  /** Days for which a link is kept; 0 without end. */
  get retentionDays(): number {
    return this.#settings.FILE_RETENTION_DAYS
  }

  /** When a link made now ends, in milliseconds since 1970; null if links do not end. */
  expiry(): number | null {
    return this.retentionDays === 0 ? null : Date.now() + this.retentionDays * 86_400_000
  }

  /** What may be sent under `uuid` now. One indexed read, whatever the text is. */
  async sendable(uuid: string): Promise<Sendable | undefined> {
    const id = uuid.toLowerCase()
    return await this.#sendable(uuidForm.test(id) ? id : nobody, Date.now())
  }

  /** Records a link; without effect when it is already recorded. */
  async create(link: Link): Promise<void> {
    await this.#database.query(
      `INSERT INTO links (uuid, user_id, name, mime_type, size, file_unique_id, bot_id, file_id, chat_id,
         message_id, created_at, expires_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (uuid) DO NOTHING`,
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
  }

  /** A living link to the same content, whichever user's it is. */
  async withContent(fileUniqueId: string, size: number): Promise<string | undefined> {
    const [row] = await this.#database.query<{ uuid: string }>(
      `SELECT uuid FROM links WHERE file_unique_id = $1 AND size = $2 AND removed_at IS NULL
         AND (expires_at IS NULL OR expires_at > $3) ORDER BY created_at DESC LIMIT 1`,
      fileUniqueId,
      size,
      Date.now(),
    )
    return row?.uuid
  }

  /** Up to `limit` links whose time has come and whose bytes are still kept, oldest first. */
  async expired(limit: number): Promise<{ uuid: string; size: number }[]> {
    return await this.#database.query<{ uuid: string; size: number }>(
      `SELECT uuid, size FROM links WHERE removed_at IS NULL AND expires_at <= $1
       ORDER BY expires_at LIMIT $2`,
      Date.now(),
      limit,
    )
  }

  /** Records that the bytes of a link are gone; the row stays for the statistics. */
  async removed(uuid: string): Promise<void> {
    await this.#database.query('UPDATE links SET removed_at = $2 WHERE uuid = $1', uuid, Date.now())
  }
}
