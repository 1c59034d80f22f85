import { crc32 } from 'node:zlib'
import type { Kind } from '../cloud/records.ts'

const PREFIX: Record<Kind, string> = {
  document: 'BQAC',
  video: 'BAAC',
  audio: 'CQAC',
  voice: 'AwAC',
  video_note: 'DQAC',
  animation: 'CgAC',
  photo: 'AgAC',
}

/** A file_id belongs to one bot, lasts for ever, and carries no secret. */
export function encodeFileId(kind: Kind, botId: number, fileId: number): string {
  const bytes = Buffer.alloc(20)
  bytes.writeBigUInt64BE(BigInt(botId), 0)
  bytes.writeBigUInt64BE(BigInt(fileId), 8)
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 16)), 16)
  return PREFIX[kind] + bytes.toString('base64url')
}

/** Undefined when the text is no file_id at all. */
export function decodeFileId(text: string): { kind: Kind; botId: number; fileId: number } | undefined {
  const kind = (Object.keys(PREFIX) as Kind[]).find((name) => text.startsWith(PREFIX[name]))
  const bytes = Buffer.from(text.slice(4), 'base64url')
  if (!kind || bytes.length !== 20 || bytes.readUInt32BE(16) !== crc32(bytes.subarray(0, 16)))
    return undefined
  return { kind, botId: Number(bytes.readBigUInt64BE(0)), fileId: Number(bytes.readBigUInt64BE(8)) }
}
