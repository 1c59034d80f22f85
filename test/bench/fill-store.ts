import { randomUUID } from 'node:crypto'
import { linkSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { openDatabase } from '../../app/core/database/database.ts'
import { allMigrations } from '../helpers/records.ts'

/** Names on one inode; ext4 allows 65 000. */
const perInode = 60_000

export interface Filled {
  databaseFile: string
  storage: string
  uuids: string[]
}

/**
 * Makes a store of `count` links straight in the file system and the database, each with its finished job and its
 * message, as of users with 50 files each.
 */
export async function fillStore(dir: string, count: number): Promise<Filled> {
  const databaseFile = join(dir, 'db', 'tgdepot.db')
  const storage = join(dir, 'store')
  const migrated = await openDatabase({ DATABASE_URL: `sqlite:${databaseFile}` }, allMigrations)
  await migrated[Symbol.asyncDispose]()
  const uuids = Array.from({ length: count }, () => randomUUID())
  fillFolders(storage, uuids)
  fillTables(databaseFile, uuids)
  return { databaseFile, storage, uuids }
}

function fillFolders(storage: string, uuids: string[]): void {
  for (let shard = 0; shard < 256; shard++) {
    mkdirSync(join(storage, shard.toString(16).padStart(2, '0')), { recursive: true })
  }
  for (let first = 0; first < uuids.length; first += perInode) {
    const [source = '', ...names] = uuids.slice(first, first + perInode)
    const path = (uuid: string) => join(storage, uuid.slice(0, 2), uuid)
    writeFileSync(path(source), Buffer.alloc(1000, 7), { mode: 0o644 })
    for (const name of names) linkSync(path(source), path(name))
  }
}

function fillTables(file: string, uuids: string[]): void {
  const database = new DatabaseSync(file)
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; BEGIN')
  const link = database.prepare(
    `INSERT INTO links (uuid, user_id, name, mime_type, size, file_unique_id, bot_id, file_id, chat_id, message_id,
       created_at, expires_at) VALUES (?, ?, ?, 'application/octet-stream', 1000, ?, 1, ?, ?, ?, ?, ?)`,
  )
  const job = database.prepare(
    `INSERT INTO jobs (kind, job_key, status, bot_id, user_id, chat_id, size, payload, turn, attempts, due_at,
       created_at, updated_at) VALUES ('ingest', ?, 'COMPLETED', 1, ?, ?, 1000, ?, 1, 1, ?, ?, ?)`,
  )
  const message = database.prepare(
    `INSERT INTO messages (bot_id, chat_id, reply_to, message_id, text, revision, sent_revision, due_at, created_at)
     VALUES (1, ?, ?, ?, ?, 2, 2, ?, ?)`,
  )
  const now = Date.now()
  uuids.forEach((uuid, at) => {
    const user = 10_000 + Math.floor(at / 50)
    const created = now - 20 * 86_400_000 + at
    const content = `unique${Math.floor(at / perInode)}`
    link.run(
      uuid,
      user,
      `file ${at}.bin`,
      content,
      `file-id-${at}`,
      user,
      at,
      created,
      now + 10 * 86_400_000 + at,
    )
    job.run(
      `ingest:1:${user}:${at}`,
      user,
      user,
      JSON.stringify({ uuid, name: `file ${at}.bin` }),
      created,
      created,
      created,
    )
    message.run(
      user,
      at,
      at + 1,
      `<b>file ${at}.bin</b>\nhttps://files.example.org/download/${uuid}/file%20${at}.bin`,
      created,
      created,
    )
  })
  database.exec(`
    INSERT INTO contents SELECT file_unique_id, size, COUNT(*) FROM links GROUP BY file_unique_id, size;
    INSERT INTO link_usage SELECT user_id, SUM(size) FROM links GROUP BY user_id;
    INSERT INTO link_usage SELECT 0, SUM(size) FROM contents;
    COMMIT; PRAGMA wal_checkpoint(TRUNCATE)`)
  database.close()
}
