import { randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { App } from './start-app.ts'

const hour = 3_600_000

/** Writes a file into the store, as a link or nobody has it. Returns its UUID. */
export async function putFile(
  { storage }: Pick<App, 'storage'>,
  uuid: string = randomUUID(),
): Promise<string> {
  const folder = join(storage, uuid.slice(0, 2))
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, uuid), `the bytes of ${uuid}`, { mode: 0o644 })
  return uuid
}

/** Writes a link without its file. */
export function putLink(app: App, uuid: string, expiresAt: number | null = Date.now() + 24 * hour): void {
  app.sql(
    `INSERT INTO links (uuid, user_id, name, mime_type, size, file_unique_id, bot_id, file_id, chat_id, message_id,
       created_at, expires_at) VALUES (?, 1, 'file.bin', 'a/b', 50, ?, 1, 'id', 1, 1, 1, ?)`,
    uuid,
    uuid,
    expiresAt,
  )
}

/** Links with their files. */
export async function fill(app: App, count: number, expiresAt?: number | null): Promise<string[]> {
  const uuids: string[] = []
  for (let made = 0; made < count; made++) {
    const uuid = await putFile(app)
    putLink(app, uuid, expiresAt)
    uuids.push(uuid)
  }
  return uuids
}

/** PATH with a `timedatectl` in front that says whether the clock follows a time server. */
export async function timeServer(app: App, follows: boolean): Promise<string> {
  const folder = join(app.dir, 'bin')
  await mkdir(folder, { recursive: true })
  const answer = follows ? 'yes' : 'no'
  await writeFile(join(folder, 'timedatectl'), `#!/bin/sh\necho ${answer}\n`, { mode: 0o755 })
  return `${folder}:${process.env.PATH}`
}
