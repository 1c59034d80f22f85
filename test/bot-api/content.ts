import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'

/** Content is made in blocks of this many bytes; a block depends on the seed and on its own number only. */
export const BLOCK_BYTES = 1 << 20

const NOISE = makeNoise()
const scratch = new Uint32Array(BLOCK_BYTES / 4)
const scratchBytes = Buffer.from(scratch.buffer)

function makeNoise(): Uint32Array {
  const words = new Uint32Array(BLOCK_BYTES / 4)
  let state = 0x9e3779b9
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return words
}

function mix(value: number): number {
  let hash = value | 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

/** A generator of the bytes that `seed` stands for; the same on every machine. */
export function makeContent(seed: string | number): (offset: number, target: Buffer) => void {
  const digest = createHash('sha256').update(String(seed)).digest()
  const keys = [digest.readInt32LE(0), digest.readInt32LE(4)] as const
  return (offset, target) => {
    let filled = 0
    while (filled < target.length) {
      const position = offset + filled
      const block = Math.floor(position / BLOCK_BYTES)
      const start = position % BLOCK_BYTES
      const end = Math.min(BLOCK_BYTES, start + target.length - filled)
      const even = mix(keys[0] + block)
      const odd = mix(keys[1] ^ Math.imul(block + 1, 0x27d4eb2f))
      const last = Math.ceil(end / 8) * 2
      for (let word = Math.floor(start / 8) * 2; word < last; word += 2) {
        scratch[word] = (NOISE[word] as number) ^ even
        scratch[word + 1] = (NOISE[word + 1] as number) ^ odd
      }
      scratchBytes.copy(target, filled, start, end)
      filled += end - start
    }
  }
}

/** The bytes of the file (`seed`, `size` in bytes) as a stream of blocks. */
export function contentOf(seed: string | number, size: number): Readable {
  const fill = makeContent(seed)
  function* blocks() {
    for (let offset = 0; offset < size; offset += BLOCK_BYTES) {
      const block = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, size - offset))
      fill(offset, block)
      yield block
    }
  }
  return Readable.from(blocks(), { objectMode: false })
}

/** The sha256, in hex, of the file (`seed`, `size` in bytes). */
export async function sha256Of(seed: string | number, size: number): Promise<string> {
  const fill = makeContent(seed)
  const hash = createHash('sha256')
  const block = Buffer.allocUnsafe(BLOCK_BYTES)
  for (let offset = 0; offset < size; offset += BLOCK_BYTES) {
    const part = block.subarray(0, Math.min(BLOCK_BYTES, size - offset))
    fill(offset, part)
    hash.update(part)
    await nextTurn()
  }
  return hash.digest('hex')
}
