import test from 'ava'
import { type Sent, type StandIn, startBotApi } from '../../bot-api/client.ts'
import { linkFor, saidIn } from '../../helpers/chat.ts'
import { sha256 } from '../../helpers/sha256.ts'
import { type App, startApp } from '../../helpers/start-app.ts'
import { until } from '../../helpers/until.ts'

const halfway = (api: StandIn) =>
  until('a transfer under way', async () => {
    const { bots } = await api.state()
    return bots.some(({ downloads }) => downloads.some(({ received }) => received > 0))
  })

/** The file has one link that works, one message, one row of each sort, one name in the store. */
async function assertDoneOnce(t: import('ava').ExecutionContext, api: StandIn, app: App, sent: Sent) {
  const link = await linkFor(api, sent, 20_000)
  t.deepEqual(await saidIn(api, sent.chat_id), [link.message.text ?? ''])
  t.deepEqual(app.sql('SELECT status FROM jobs'), [{ status: 'COMPLETED' }])
  t.deepEqual(app.sql('SELECT uuid FROM links'), [{ uuid: link.uuid }])
  t.deepEqual(await app.stored(), [link.uuid])
  const { body } = await app.get(link.path)
  t.is(sent.sha256, sha256(body))
}

test('kill -9 in the middle of a transfer: the job goes on after the start', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  await api.settings({ download_bytes_per_second: 500_000 })
  const sent = await api.sendFile({ size: 1_000_000 })
  await halfway(api)
  await app.restart('SIGKILL')
  await app.log(({ event }) => event === 'JOB_RECOVERED_STALE')
  await assertDoneOnce(t, api, app, sent)
})

test('SIGTERM in the middle of a transfer: it ends soon, and the job goes on as the same attempt', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  await api.settings({ download_bytes_per_second: 500_000 })
  const sent = await api.sendFile({ size: 1_500_000 })
  await halfway(api)
  const before = Date.now()
  t.is(await app.kill('SIGTERM'), 0)
  t.true(Date.now() - before < 3000, `${Date.now() - before} ms`)
  t.deepEqual(
    app.lines.slice(-1).map(({ message }) => message),
    ['stopped'],
  )
  t.deepEqual(app.sql('SELECT status, attempts FROM jobs'), [{ status: 'QUEUED', attempts: 0 }])
  await app.start()
  await assertDoneOnce(t, api, app, sent)
})

test('the Bot API server killed in the middle of a transfer: the file is fetched again', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  await api.settings({ download_bytes_per_second: 500_000 })
  const sent = await api.sendFile({ size: 1_000_000 })
  await halfway(api)
  await api.restart('SIGKILL')
  await api.settings({ download_bytes_per_second: null })
  await assertDoneOnce(t, api, app, sent)
})

for (const what of ['file', 'text'] as const) {
  test(`an update with a ${what} that Telegram delivers twice is answered once`, async (t) => {
    await using api = await startBotApi()
    await using app = await startApp({ api })
    const polls = async () => (await api.calls('getUpdates')).some(({ params }) => Number(params.timeout) > 0)
    await until('the poll waits', polls)
    // The call that would confirm the update is never carried out.
    await api.fault({ method: 'getUpdates', hang: true, count: -1 })
    if (what === 'file') await linkFor(api, await api.sendFile())
    else await api.sendText('/help')
    await api.waitForMessage(1001, ({ from }) => from.is_bot)
    await app.kill('SIGKILL')
    t.is((await api.state()).bots[0]?.pending_updates, 1)
    await api.clearFaults()
    await app.start()
    const sent = await api.sendFile({ size: 100 })
    await linkFor(api, sent)
    t.is((await saidIn(api, 1001)).length, 2)
    t.is(app.sql('SELECT * FROM links').length, what === 'file' ? 2 : 1)
  })
}

test('a message that comes again under another update id makes no second job and no second answer', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  const sent = await api.sendFile({ size: 100 })
  const [message] = (await api.chat(1001)).messages
  await linkFor(api, sent)
  const [job] = app.sql<{ payload: string }>('SELECT payload FROM jobs')
  const { fileId, fileUniqueId } = JSON.parse(job?.payload ?? '{}')
  const again = {
    update_id: 1,
    message: {
      message_id: sent.message_id,
      date: Math.floor(Number(message?.at) / 1000),
      from: { id: 1001, is_bot: false, first_name: 'Ann' },
      chat: { id: 1001, type: 'private', first_name: 'Ann' },
      document: { file_id: fileId, file_unique_id: fileUniqueId, file_size: 100 },
    },
  }
  app.sql(
    'INSERT INTO updates (bot_id, update_id, body, received_at) VALUES (?, 1, ?, ?)',
    api.botId,
    JSON.stringify(again),
    Date.now(),
  )
  await until(
    'it is handled',
    () => app.sql('SELECT 1 FROM updates WHERE update_id = 1 AND handled_at > 0').length > 0,
  )
  await assertDoneOnce(t, api, app, sent)
})

test('an idle connection that the server cuts is asked again until the file is there', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  await api.settings({ download_bytes_per_second: 500_000, idle_timeout_ms: 1500 })
  const sent = await api.sendFile({ size: 2_000_000 })
  await linkFor(api, sent, 25_000)
  const asked = await api.calls('getFile')
  t.true(asked.length >= 2)
  t.true(asked.slice(0, -1).every(({ status }) => status === 0))
  await assertDoneOnce(t, api, app, sent)
})

test('a message that was on its way in a crash is found behind those that the bot had not handled yet', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  const others = []
  for (let at = 0; at < 13; at++) {
    others.push(await api.sendService({ new_chat_title: `title ${at}` }, { from: { id: 2 } }))
  }
  await api.fault({ method: 'sendMessage', chat_id: 1, after: true, hang: true })
  const sent = await api.sendFile({ from: { id: 1 } })
  await api.waitForMessage(1, (message) => message.from.is_bot)
  await app.kill('SIGKILL')
  // They had come after the last id that the bot knew when it began to send.
  app.sql('UPDATE messages SET sending_after = 1')
  for (const [at, { chat_id, message_id }] of others.entries()) {
    const message = { message_id, date: 0, chat: { id: chat_id, type: 'private' }, new_chat_title: 'title' }
    app.sql(
      `UPDATE updates SET handled_at = NULL, tries = 0,
         body = '{"update_id":' || update_id || ',"message":' || CAST(? AS TEXT) || '}'
       WHERE update_id = (SELECT update_id FROM updates ORDER BY update_id LIMIT 1 OFFSET ?)`,
      JSON.stringify(message),
      at,
    )
  }
  await app.start()
  const link = await linkFor(api, sent)
  t.deepEqual(await saidIn(api, 1), [link.message.text ?? ''])
})
