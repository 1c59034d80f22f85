import type { Database } from '../core/database/database.ts'

/** The owner whose bytes are those of the whole store: Telegram ids begin at 1. */
export const store = 0

interface Kept {
  userId: number
  fileUniqueId: string
  size: number
}

/**
 * Bytes in use: of the store, where a content shared by several links counts once; of a user, for whom each of their
 * links counts in full. Kept up to date in the transactions that make and remove links.
 */
export class Usage {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async ofStore(): Promise<number> {
    return await this.#of(store)
  }

  async ofUser(userId: number): Promise<number> {
    return await this.#of(userId)
  }

  /** Counts one new link. Call it in the transaction that writes the link. */
  async add({ userId, fileUniqueId, size }: Kept): Promise<void> {
    const [content] = await this.#database.query<{ links: number }>(
      `INSERT INTO contents (file_unique_id, size, links) VALUES ($1, $2, 1)
       ON CONFLICT (file_unique_id, size) DO UPDATE SET links = contents.links + 1 RETURNING links`,
      fileUniqueId,
      size,
    )
    await this.#change(
      new Map([
        [store, Number(content?.links) === 1 ? size : 0],
        [userId, size],
      ]),
    )
  }

  /** Counts removed links, a few hundred at most. Call it in the transaction that marks them. */
  async subtract(links: Kept[]): Promise<void> {
    if (links.length === 0) return
    const contents = Map.groupBy(links, ({ fileUniqueId, size }) => `${size} ${fileUniqueId}`)
    const gone = [...contents.values()].map((same) => ({ ...(same[0] as Kept), links: same.length }))
    const rows = gone.map((_, i) => {
      const [content, bytes, count] = [3 * i + 1, 3 * i + 2, 3 * i + 3]
      return `SELECT CAST($${content} AS TEXT) AS content, CAST($${bytes} AS BIGINT) AS bytes,
        CAST($${count} AS BIGINT) AS count`
    })
    // One statement each: thousands of small ones would hold up everything else of this process.
    const left = await this.#database.query<{ file_unique_id: string; size: number; links: number }>(
      `UPDATE contents SET links = links - gone.count FROM (${rows.join(' UNION ALL ')}) AS gone
       WHERE file_unique_id = gone.content AND size = gone.bytes RETURNING file_unique_id, size, links`,
      ...gone.flatMap(({ fileUniqueId, size, links }) => [fileUniqueId, size, links]),
    )
    const last = left.filter(({ links }) => links <= 0)
    if (last.length > 0) {
      const places = last.map((_, i) => `(file_unique_id = $${2 * i + 1} AND size = $${2 * i + 2})`)
      await this.#database.query(
        `DELETE FROM contents WHERE ${places.join(' OR ')}`,
        ...last.flatMap(({ file_unique_id, size }) => [file_unique_id, size]),
      )
    }
    const freed = new Map([[store, -last.reduce((sum, { size }) => sum + size, 0)]])
    for (const { userId, size } of links) freed.set(userId, (freed.get(userId) ?? 0) - size)
    await this.#change(freed)
  }

  async #of(owner: number): Promise<number> {
    const [row] = await this.#database.query<{ bytes: number }>(
      'SELECT bytes FROM link_usage WHERE owner = $1',
      owner,
    )
    return Number(row?.bytes ?? 0)
  }

  async #change(byOwner: Map<number, number>): Promise<void> {
    const places = [...byOwner].map((_, i) => `($${2 * i + 1}, $${2 * i + 2})`)
    await this.#database.query(
      `INSERT INTO link_usage (owner, bytes) VALUES ${places.join(', ')}
       ON CONFLICT (owner) DO UPDATE SET bytes = link_usage.bytes + excluded.bytes`,
      ...[...byOwner].flat(),
    )
  }
}
