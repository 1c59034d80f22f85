import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, open, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { until } from './until.ts'

const run = promisify(execFile)

/** A real ext4 file system of its own, in a file. Needs root. */
export class SmallDisk implements AsyncDisposable {
  readonly folder: string
  readonly #root: string

  constructor(root: string) {
    this.#root = root
    this.folder = join(root, 'disk')
  }

  async free(): Promise<number> {
    const { bavail, bsize } = await statfs(this.folder)
    return bavail * bsize
  }

  /** Another program writes until `left` bytes are free. */
  async fill(left = 0): Promise<void> {
    const file = await open(join(this.folder, 'filler'), 'a')
    try {
      for (let size = 1 << 20; size >= 4096; ) {
        const block = Buffer.alloc(Math.min(size, Math.max(0, (await this.free()) - left)))
        if (block.length === 0) break
        const { bytesWritten } = await file.write(block).catch(() => ({ bytesWritten: 0 }))
        // Blocks are given out when they are written to the disk, not before.
        await file.datasync().catch(() => {})
        if (bytesWritten < block.length) size /= 4
      }
    } finally {
      await file.close()
    }
  }

  async empty(): Promise<void> {
    await rm(join(this.folder, 'filler'), { force: true })
  }

  /** Makes it read-only, as a kernel does that met an error on it, or takes that back. */
  async allowWriting(isAllowed: boolean): Promise<void> {
    const isDone = () =>
      run('mount', ['-o', `remount,${isAllowed ? 'rw' : 'ro'}`, this.folder]).then(
        () => true,
        () => false,
      )
    // Not while a file is open for writing.
    await until('it is mounted anew', isDone)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run('umount', ['-l', this.folder])
    await rm(this.#root, { recursive: true, force: true })
  }
}

/** Makes and mounts a file system of `mebibytes`. */
export async function mountSmallDisk(mebibytes: number): Promise<SmallDisk> {
  const root = await mkdtemp(join(tmpdir(), 'tgdepot-disk-'))
  const disk = new SmallDisk(root)
  const image = join(root, 'image')
  await mkdir(disk.folder)
  await run('truncate', ['-s', `${mebibytes}M`, image])
  await run('/usr/sbin/mkfs.ext4', ['-q', '-F', '-m', '0', image])
  await run('mount', ['-o', 'loop', image, disk.folder])
  return disk
}
