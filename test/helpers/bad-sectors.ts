// A disk with bad sectors, loaded by `node --import`: of a file whose name ends with `bad0` nothing can be read, of one
// that ends with `bad1` only the beginning.
import fs from 'node:fs'

const { read } = fs

function readBadly(fd: number, ...rest: unknown[]): unknown {
  const [, , , position] = rest as [unknown, unknown, unknown, number | null]
  const name = fs.readlinkSync(`/proc/self/fd/${fd}`)
  const isBad = name.endsWith('bad0') || (name.endsWith('bad1') && (position ?? 0) >= 500_000)
  if (!isBad) return Reflect.apply(read, fs, [fd, ...rest])
  const error = Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' })
  return process.nextTick(rest.at(-1) as (error: Error) => void, error)
}

fs.read = readBadly as typeof read
