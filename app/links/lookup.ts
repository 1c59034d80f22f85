import type { Queries, Read, WebQueries } from '../core/database/reader.ts'

/** What is needed to send a file. */
export interface Downloadable extends Record<string, unknown> {
  uuid: string
  name: string
  mime_type: string
  size: number
}

const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** A UUID that no link has: a malformed one is looked up as this, and so costs the same as an unknown one. */
const nobody = '00000000-0000-0000-0000-000000000000'

/** Whether there ever was a link; of a database that may be new. */
export async function hasLinks(database: WebQueries): Promise<boolean> {
  return (
    (await database.hasTable('links')) && (await database.query('SELECT 1 FROM links LIMIT 1')).length > 0
  )
}

/** What a UUID means to a visitor: all that the web role knows of links. */
export class LinkLookup {
  readonly #downloadable: Read<Downloadable>

  constructor(database: Queries) {
    this.#downloadable = database.prepare<Downloadable>(
      `SELECT uuid, name, mime_type, size FROM links
       WHERE uuid = ? AND removed_at IS NULL AND missing_at IS NULL AND (expires_at IS NULL OR expires_at > ?)`,
    )
  }

  /** What may be sent under `uuid` now. One indexed read, whatever the text is. */
  async findDownloadable(uuid: string): Promise<Downloadable | undefined> {
    const id = uuid.toLowerCase()
    return await this.#downloadable(uuidForm.test(id) ? id : nobody, Date.now())
  }
}
