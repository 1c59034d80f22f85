import { readdirSync, statSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { FILE_FOLDERS } from './file-names.ts'

const HOUR_MS = 3600 * 1000
const MINUTE_MS = 60 * 1000
const MAX_TOTAL_BYTES = 100 << 20
const MAX_FILES = 40_000
const MAX_UNREAD_MS = 23 * HOUR_MS
const IMMUNITY_MS = HOUR_MS

type Found = { path: string; size: number; atimeMs: number; mtimeMs: number }

/**
 * The server's own tidying of a bot's folder, partial files included: what nobody read for 23 hours goes,
 * then the longest unread until at most 100 MB and 40 000 files are left. A file changed within the last hour
 * stays. Returns the removed paths.
 */
export function deleteOldFiles(botDir: string): string[] {
  const now = Date.now()
  const files = [...FILE_FOLDERS, 'temp'].flatMap((name) => listFiles(join(botDir, name)))
  let totalBytes = files.reduce((sum, file) => sum + file.size, 0)
  let count = files.length
  const removed: string[] = []
  const mortal = files.filter((file) => now - file.mtimeMs >= IMMUNITY_MS)
  for (const file of mortal.sort((a, b) => a.atimeMs - b.atimeMs)) {
    const isUnread = now - file.atimeMs > MAX_UNREAD_MS
    if (!isUnread && totalBytes <= MAX_TOTAL_BYTES && count <= MAX_FILES) break
    unlinkSync(file.path)
    removed.push(file.path)
    totalBytes -= file.size
    count--
  }
  return removed
}

/** Tidies some minutes after the login and then every day; returns what ends that. */
export function scheduleDeletion(botDir: string): () => void {
  const randomMs = () => MINUTE_MS * (1 + 15 * Math.random())
  let timer = setTimeout(run, randomMs())
  timer.unref()
  function run() {
    deleteOldFiles(botDir)
    timer = setTimeout(run, 24 * HOUR_MS + randomMs())
    timer.unref()
  }
  return () => clearTimeout(timer)
}

function listFiles(dir: string): Found[] {
  let entries: ReturnType<typeof readEntries>
  try {
    entries = readEntries(dir)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  return entries.flatMap((entry) => {
    const path = join(dir, entry.name)
    if (entry.isDirectory()) return listFiles(path)
    const found = statSync(path, { throwIfNoEntry: false })
    return found ? [{ path, size: found.size, atimeMs: found.atimeMs, mtimeMs: found.mtimeMs }] : []
  })
}

function readEntries(dir: string) {
  return readdirSync(dir, { withFileTypes: true })
}
