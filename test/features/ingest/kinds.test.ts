import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import type { StandIn } from '../../bot-api/client.ts'
import { linkFor } from '../../helpers/chat.ts'
import { nameIn } from '../../helpers/names.ts'
import { sha256 } from '../../helpers/sha256.ts'
import type { App } from '../../helpers/start-app.ts'
import { startForAll } from '../../helpers/start-for-all.ts'
import { until } from '../../helpers/until.ts'

let api: StandIn
let app: App
startForAll({ RATE_LIMIT_PER_MINUTE: '1000' }, (server, program) => {
  api = server
  app = program
})

const day = new Date().toISOString().slice(0, 8)

const kinds = [
  {
    kind: 'document',
    name: 'Report.pdf',
    mime_type: 'application/pdf',
    is: 'Report.pdf',
    type: 'application/pdf',
  },
  { kind: 'document', name: undefined, is: new RegExp(`^document_${day}`), type: 'application/octet-stream' },
  { kind: 'video', name: 'holiday.mp4', mime_type: 'video/mp4', is: 'holiday.mp4', type: 'video/mp4' },
  { kind: 'video', is: new RegExp(`^video_${day}.*\\.mp4$`), type: 'video/mp4' },
  { kind: 'audio', name: 'song.flac', mime_type: 'audio/flac', is: 'song.flac', type: 'audio/flac' },
  { kind: 'voice', is: new RegExp(`^voice_${day}.*\\.ogg$`), type: 'audio/ogg' },
  { kind: 'video_note', is: new RegExp(`^video_note_${day}.*\\.mp4$`), type: 'video/mp4' },
  { kind: 'animation', name: 'cat.gif.mp4', mime_type: 'video/mp4', is: 'cat.gif.mp4', type: 'video/mp4' },
  { kind: 'photo', is: new RegExp(`^photo_${day}.*\\.jpg$`), type: 'image/jpeg' },
  {
    kind: 'document',
    name: 'x.bin',
    mime_type: 'text/html\r\nX-Evil: 1',
    is: 'x.bin',
    type: 'application/octet-stream',
  },
] as const

for (const [index, { kind, is, type, ...spec }] of kinds.entries()) {
  const what = `${kind} ${'name' in spec && spec.name ? 'with' : 'without'} a name as ${type}`
  test(`a ${what} becomes a link to the same bytes, whole and once on the disk`, async (t) => {
    const size = 70_001
    // A chat each: in one chat Telegram lets a bot say one thing a second.
    const from = { id: 5500 + index }
    const sent = await api.sendFile({ from, kind, size, ...(spec as object) })
    const link = await linkFor(api, sent)
    const { status, headers, body } = await app.get(link.path)
    t.is(status, 200)
    t.is(sent.sha256, sha256(body))
    t.is(headers['content-type'], type)
    t.is(headers['content-length'], String(size))
    const name = nameIn(headers['content-disposition']) ?? ''
    t.true(typeof is === 'string' ? name === is : is.test(name), name)
    const kept = () => stat(join(app.storage, link.uuid.slice(0, 2), link.uuid))
    await until("the Bot API server's own name to go", async () => (await kept()).nlink === 1)
    const { mode } = await kept()
    t.is(mode & 0o777, 0o644)
  })
}
