import { statfs } from 'node:fs/promises'
import test from 'ava'
import type { StandIn } from '../../bot-api/client.ts'
import { linkFor } from '../../helpers/chat.ts'
import type { App } from '../../helpers/start-app.ts'
import { startForAll } from '../../helpers/start-for-all.ts'

let api: StandIn
let app: App
startForAll(
  {
    MAX_FILE_SIZE: String(1e15),
    RATE_LIMIT_PER_MINUTE: '3',
    MIN_FREE_DISK: '1000000',
  },
  (server, program) => {
    api = server
    app = program
  },
)

const answerTo = (chatId: number, messageId: number) =>
  api.waitForMessage(
    chatId,
    ({ from, reply_to_message_id }) => from.is_bot && reply_to_message_id === messageId,
  )

const getFileCalls = async (since: number) => (await api.calls('getFile', since)).length

test.serial('a file over MAX_FILE_SIZE is refused with the limit, before any transfer', async (t) => {
  const since = Date.now()
  const sent = await api.sendFile({ from: { id: 7001 }, name: 'huge.iso', announced_size: 2e15, size: 10 })
  const { text } = await answerTo(7001, sent.message_id)
  t.regex(text ?? '', /^huge\.iso \(2 PB\) was not taken: the limit is 1 PB\. Send/)
  t.is(await getFileCalls(since), 0)
  t.deepEqual(app.sql('SELECT id FROM jobs WHERE user_id = 7001'), [])
})

test.serial(
  'a file over the free room, with what is promised already, is refused with what is left',
  async (t) => {
    const { bavail, bsize } = await statfs(app.storage)
    const most = Math.floor(bavail * bsize * 0.7)
    await api.settings({ download_bytes_per_second: 0 })
    const since = Date.now()
    const first = await api.sendFile({ from: { id: 7002 }, announced_size: most, size: 1000 })
    t.regex((await answerTo(7002, first.message_id)).text ?? '', /Received/)
    const second = await api.sendFile({ from: { id: 7003 }, announced_size: most, size: 1000 })
    t.regex(
      (await answerTo(7003, second.message_id)).text ?? '',
      /was not taken: the server has room for [\d.]+ [MGT]B more\. Send a smaller file/,
    )
    t.true((await getFileCalls(since)) <= 1)
    await api.settings({ download_bytes_per_second: null })
    const failed = await api.waitForMessage(7002, ({ text }) =>
      /not of the size that Telegram announced/.test(text ?? ''),
    )
    t.truthy(failed.inline_keyboard)
  },
)

test.serial('another user has a rate of their own', async (t) => {
  t.truthy(await linkFor(api, await api.sendFile({ from: { id: 7005 }, size: 10 })))
})
