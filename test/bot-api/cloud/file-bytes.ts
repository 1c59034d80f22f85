import { createHash } from 'node:crypto'
import { constants, createReadStream, createWriteStream } from 'node:fs'
import { copyFile, open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { makeContent, sha256Of } from '../content.ts'
import type { Cloud } from './cloud.ts'
import type { CloudFile } from './records.ts'

export type PartReader = {
  /** Fills `target` with the bytes from `offset` on. */
  read(offset: number, target: Buffer): Promise<void>
  close(): Promise<void>
}

/** A reader of the file's bytes as Telegram holds them. */
export async function openBytes(cloud: Cloud, file: CloudFile): Promise<PartReader> {
  if (file.stored === undefined) {
    const fill = makeContent(file.seed ?? file.unique_id)
    return { read: async (offset, target) => fill(offset, target), close: async () => {} }
  }
  const handle = await open(join(cloud.dir, 'files', file.stored), 'r')
  return {
    async read(offset, target) {
      let filled = 0
      while (filled < target.length) {
        const { bytesRead } = await handle.read(target, filled, target.length - filled, offset + filled)
        if (bytesRead === 0) throw new Error(`The cloud's file ${file.stored} is too short`)
        filled += bytesRead
      }
    },
    close: () => handle.close(),
  }
}

export async function sha256OfFile(cloud: Cloud, file: CloudFile): Promise<string> {
  if (file.stored === undefined) return sha256Of(file.seed ?? file.unique_id, file.size)
  const hash = createHash('sha256')
  await pipeline(createReadStream(join(cloud.dir, 'files', file.stored)), hash)
  return hash.digest('hex')
}

/** Takes a copy (shared blocks where the file system can) of a local file into the cloud. */
export async function storeCopy(cloud: Cloud, path: string): Promise<{ stored: string; size: number }> {
  const stored = crypto.randomUUID()
  const target = join(cloud.dir, 'files', stored)
  await copyFile(path, target, constants.COPYFILE_FICLONE)
  return { stored, size: (await stat(target)).size }
}

/** Takes a stream of bytes into the cloud. */
export async function storeStream(cloud: Cloud, body: Readable): Promise<{ stored: string; size: number }> {
  const stored = crypto.randomUUID()
  const target = join(cloud.dir, 'files', stored)
  await pipeline(body, createWriteStream(target, { mode: 0o640 }))
  return { stored, size: (await stat(target)).size }
}

/** Registers bytes as a file of its own; the same `unique_id` again is the same file. */
export function addFile(
  cloud: Cloud,
  bytes: Omit<CloudFile, 'id' | 'unique_id'>,
  uniqueId?: string,
): CloudFile {
  const known = uniqueId === undefined ? undefined : cloud.filesByUniqueId.get(uniqueId)
  if (known) return known
  const id = cloud.nextFileId()
  const unique_id = uniqueId ?? uniqueIdOf(id)
  const seed = bytes.stored === undefined ? (bytes.seed ?? unique_id) : undefined
  cloud.write({ t: 'file', file: { ...bytes, id, unique_id, seed } })
  return cloud.files.get(id) as CloudFile
}

function uniqueIdOf(id: number): string {
  return `AgAD${createHash('sha256').update(`file ${id}`).digest('base64url').slice(0, 11)}`
}
