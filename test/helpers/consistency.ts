import { readdir, readlink, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { StandIn } from '../bot-api/client.ts'
import { onPostgres } from './database-in.ts'
import type { App } from './start-app.ts'

/** What the database and the disk say of each other; empty when they agree in everything. */
export async function disagreements(app: App): Promise<string[]> {
  const wrong: string[] = []
  if (!onPostgres) {
    const [check] = app.sql<{ integrity_check: string }>('PRAGMA integrity_check')
    if (check?.integrity_check !== 'ok') wrong.push(`integrity_check: ${check?.integrity_check}`)
  }
  const links = app.sql<{ uuid: string; size: number }>(
    'SELECT uuid, size FROM links WHERE removed_at IS NULL AND missing_at IS NULL',
  )
  const names = new Set(await app.stored())
  for (const { uuid, size } of links) {
    if (!names.delete(uuid)) {
      wrong.push(`the file of ${uuid} is missing`)
      continue
    }
    const stats = await stat(join(app.storage, uuid.slice(0, 2), uuid))
    if (stats.size !== size) wrong.push(`${uuid} has ${stats.size} bytes instead of ${size}`)
    if ((stats.mode & 0o777) !== 0o644) wrong.push(`${uuid} has mode ${stats.mode.toString(8)}`)
  }
  for (const name of names) wrong.push(`${name} in the store has no link`)
  return [...wrong, ...usageFaults(app)]
}

/** The sums that are kept beside the links must be the links' own. */
function usageFaults(app: App): string[] {
  const users = app.sql<{ owner: number; bytes: number }>(
    'SELECT user_id AS owner, SUM(size) AS bytes FROM links WHERE removed_at IS NULL GROUP BY user_id',
  )
  const store = app.sql<{ owner: number; bytes: number }>(
    `SELECT 0 AS owner, COALESCE(SUM(size), 0) AS bytes FROM
       (SELECT DISTINCT file_unique_id, size FROM links WHERE removed_at IS NULL) AS kept`,
  )
  const kept = new Map(
    app
      .sql<{ owner: number; bytes: number }>('SELECT owner, bytes FROM link_usage')
      .map(({ owner, bytes }) => [owner, bytes]),
  )
  return [...users, ...store]
    .filter(({ owner, bytes }) => (kept.get(owner) ?? 0) !== bytes)
    .map(({ owner, bytes }) => `usage of ${owner} is ${kept.get(owner)} instead of ${bytes}`)
}

/** Finished files that the Bot API server still has. */
export async function serverCopies(api: StandIn): Promise<string[]> {
  const root = join(api.dir, api.token)
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && entry.parentPath !== root && !entry.parentPath.endsWith('/temp'))
    .map((entry) => entry.name)
}

/** What the descriptors of a process point to. */
export async function openFiles(pid: number): Promise<string[]> {
  const folder = `/proc/${pid}/fd`
  const targets = await Promise.all(
    (await readdir(folder)).map((fd) => readlink(join(folder, fd)).catch(() => undefined)),
  )
  return targets.filter((target) => target !== undefined)
}
