import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

const DAY_MS = 24 * 3600 * 1000

export type Webhook = {
  bot_id: number
  token: string
  url: string
  secret_token: string
  max_connections: number
  allowed_updates: string
}

export type QueuedUpdate = { updateId: number; chatId: number; update: Record<string, unknown> }

/** Thrown when another server holds the folder. */
export class QueueLocked extends Error {}

/**
 * `<dir>/tqueue.binlog`: updates that no bot has confirmed, of all bots, and the webhooks. SQLite's exclusive
 * lock is the kernel's, so it goes with the process however that ends.
 */
export class UpdateQueue {
  readonly #db: DatabaseSync

  constructor(dir: string) {
    const path = join(dir, 'tqueue.binlog')
    closeSync(openSync(path, 'a', 0o600))
    this.#db = new DatabaseSync(path, { timeout: 0 })
    try {
      // synchronous=OFF: a killed process loses nothing, and no power cut is imitated here.
      this.#db.exec(`
        PRAGMA locking_mode = EXCLUSIVE;
        PRAGMA journal_mode = TRUNCATE;
        PRAGMA synchronous = OFF;
        BEGIN EXCLUSIVE;
        CREATE TABLE IF NOT EXISTS bots (bot_id INTEGER PRIMARY KEY, seen INTEGER, next_id INTEGER);
        CREATE TABLE IF NOT EXISTS updates (
          bot_id INTEGER, update_id INTEGER, chat_id INTEGER, at INTEGER, body TEXT,
          PRIMARY KEY (bot_id, update_id));
        CREATE TABLE IF NOT EXISTS webhooks (
          bot_id INTEGER PRIMARY KEY, token TEXT, url TEXT, secret_token TEXT,
          max_connections INTEGER, allowed_updates TEXT);
        COMMIT;
      `)
    } catch (error) {
      this.#db.close()
      if (!/locked/.test(String(error))) throw error
      throw new QueueLocked(`Can't lock file "${path}", because it is already in use`)
    }
  }

  /** The journal number up to which this bot's news are in the queue. */
  seen(botId: number): number {
    const row = this.#db.prepare('SELECT seen FROM bots WHERE bot_id = ?').get(botId)
    return row ? Number(row.seen) : 0
  }

  /** Queues news and notes how far they reach, in one transaction. */
  push(botId: number, seen: number, news: { chatId: number; at: number; update: object }[]): void {
    this.#db.exec('BEGIN')
    try {
      const row = this.#db.prepare('SELECT next_id FROM bots WHERE bot_id = ?').get(botId)
      let nextId = row ? Number(row.next_id) : 100_000_000 + (botId % 800_000_000)
      const insert = this.#db.prepare('INSERT INTO updates VALUES (?, ?, ?, ?, ?)')
      for (const { chatId, at, update } of news) {
        insert.run(botId, nextId++, chatId, at, JSON.stringify(update))
      }
      this.#db.prepare('INSERT OR REPLACE INTO bots VALUES (?, ?, ?)').run(botId, seen, nextId)
      this.#db.exec('COMMIT')
    } catch (error) {
      // A full disk: the news stay where they were and come with the next push.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      throw error
    }
  }

  /** Pending updates from `offset` on, oldest first, none older than a day. */
  pending(botId: number, offset: number, limit: number): QueuedUpdate[] {
    this.#db.prepare('DELETE FROM updates WHERE bot_id = ? AND at < ?').run(botId, Date.now() - DAY_MS)
    const rows = this.#db
      .prepare(
        `SELECT update_id, chat_id, body FROM updates WHERE bot_id = ? AND update_id >= ?
         ORDER BY update_id LIMIT ?`,
      )
      .all(botId, offset, limit)
    return rows.map((row) => {
      const updateId = Number(row.update_id)
      const update = { update_id: updateId, ...JSON.parse(String(row.body)) }
      return { updateId, chatId: Number(row.chat_id), update }
    })
  }

  count(botId: number): number {
    const row = this.#db.prepare('SELECT count(*) AS n FROM updates WHERE bot_id = ?').get(botId)
    return Number(row?.n)
  }

  /** Forgets every update below `offset`. */
  confirm(botId: number, offset: number): void {
    this.#db.prepare('DELETE FROM updates WHERE bot_id = ? AND update_id < ?').run(botId, offset)
  }

  remove(botId: number, updateId: number): void {
    this.#db.prepare('DELETE FROM updates WHERE bot_id = ? AND update_id = ?').run(botId, updateId)
  }

  /** The offset that leaves the last `count` updates. */
  offsetOfLast(botId: number, count: number): number {
    const row = this.#db
      .prepare('SELECT update_id FROM updates WHERE bot_id = ? ORDER BY update_id DESC LIMIT 1 OFFSET ?')
      .get(botId, count - 1)
    return row ? Number(row.update_id) : 0
  }

  clear(botId: number): void {
    this.#db.prepare('DELETE FROM updates WHERE bot_id = ?').run(botId)
  }

  webhooks(): Webhook[] {
    return this.#db.prepare('SELECT * FROM webhooks').all() as unknown as Webhook[]
  }

  setWebhook(hook: Webhook): void {
    const { bot_id, token, url, secret_token, max_connections, allowed_updates } = hook
    this.#db
      .prepare('INSERT OR REPLACE INTO webhooks VALUES (?, ?, ?, ?, ?, ?)')
      .run(bot_id, token, url, secret_token, max_connections, allowed_updates)
  }

  deleteWebhook(botId: number): void {
    this.#db.prepare('DELETE FROM webhooks WHERE bot_id = ?').run(botId)
  }

  close(): void {
    this.#db.close()
  }
}
