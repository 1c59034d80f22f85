import test from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor } from '../helpers/chat.ts'
import { createApp } from '../helpers/start-app.ts'
import { until } from '../helpers/until.ts'

const isLost = ({ text }: { text?: string }) =>
  text ===
  'The server has lost what it knew of a file that you sent; its owner finds the cause in the log. Send the file again.'

for (const [title, payload] of [
  ['is no JSON', '{"uuid":"'],
  ['is JSON of nothing', 'null'],
  ['lacks its file', '{"uuid":"00000000-0000-4000-8000-000000000000"}'],
  ['leads out of the store', '{"uuid":"../../../../../../../etc/passwd/////"}'],
] as const) {
  test.serial(
    `a job whose payload ${title} fails by itself; its user is told, and all others are served`,
    async (t) => {
      await using api = await startBotApi()
      await using app = await createApp({ api, env: { RETRY_DELAYS: '1,1' } })
      await app.start()
      await api.settings({ download_bytes_per_second: 0 })
      const [damaged, waiting] = [7001, 7002]
      await api.sendFile({ from: { id: damaged }, seed: 'running' })
      await until('it runs', () => app.sql(`SELECT 1 FROM jobs WHERE status = 'RUNNING'`).length === 1)
      await api.waitForMessage(damaged, ({ text }) => /Received/.test(text ?? ''))
      await app.kill('SIGKILL')
      app.sql('UPDATE jobs SET payload = ?', payload)
      // One that was queued, of a chat that was told nothing yet.
      app.sql(
        `INSERT INTO jobs (kind, job_key, status, bot_id, user_id, chat_id, size, payload, turn, due_at, slot_at, created_at, updated_at)
       SELECT kind, 'queued', 'QUEUED', bot_id, ${waiting}, ${waiting}, 0, payload, 0, due_at, slot_at, created_at, updated_at FROM jobs`,
      )
      await api.sendText('hello', { from: { id: waiting } })
      await api.settings({ download_bytes_per_second: null })
      const sent = await api.sendFile({ from: { id: 7003 }, seed: 'fine' })
      await app.start()
      await linkFor(api, sent)
      for (const user of [damaged, waiting]) await api.waitForMessage(user, isLost)
      const { messages } = await api.chat(damaged)
      t.is(messages.filter(({ from }) => from.is_bot).length, 1, 'in the message that it had')
      const rows = app.sql('SELECT status, error_type FROM jobs WHERE user_id < 7003')
      t.deepEqual(rows, Array(2).fill({ status: 'FAILED', error_type: 'UNREADABLE' }))
      t.is(app.lines.filter(({ error_type }) => error_type === 'UNREADABLE').length > 0, true)
      await linkFor(api, await api.sendFile({ from: { id: damaged }, seed: 'running' }))
    },
  )
}

test.serial('a waiting message with damaged buttons is sent without them', async (t) => {
  await using api = await startBotApi()
  await using app = await createApp({ api })
  await app.start()
  const { chat_id: chatId } = await api.sendText('hello')
  await api.waitForMessage(chatId, ({ text }) => /not a file/.test(text ?? ''))
  await app.kill('SIGTERM')
  for (const [text, keyboard] of [
    ['first', '[[{"te'],
    ['second', '5'],
    ['third', null],
  ] as const) {
    app.sql(
      `INSERT INTO messages (bot_id, chat_id, text, keyboard, due_at, created_at)
       SELECT bot_id, chat_id, ?, ?, due_at, created_at FROM messages LIMIT 1`,
      text,
      keyboard,
    )
  }
  await app.start()
  await api.waitForMessage(chatId, ({ text }) => text === 'third')
  const said = (await api.chat(chatId)).messages.filter(({ from }) => from.is_bot).map(({ text }) => text)
  t.deepEqual(said.slice(-3), ['first', 'second', 'third'])
  t.is(app.lines.filter(({ message }) => /buttons of a message cannot be read/.test(message)).length, 2)
})

test.serial(
  'an update whose row is damaged is put aside at once, and those behind it are handled',
  async (t) => {
    await using api = await startBotApi()
    await using app = await createApp({ api })
    await app.start()
    const { chat_id: chatId } = await api.sendText('hello')
    await api.waitForMessage(chatId, ({ text }) => /not a file/.test(text ?? ''))
    await app.kill('SIGTERM')
    const body = '{"update_id":1,"mess'
    app.sql(
      `INSERT INTO updates (bot_id, update_id, body, received_at) SELECT bot_id, 1, ?, received_at FROM updates LIMIT 1`,
      body,
    )
    const sent = await api.sendFile()
    await app.start()
    const began = performance.now()
    await linkFor(api, sent)
    t.true(performance.now() - began < 5000, `${performance.now() - began} ms`)
    t.is(app.lines.filter(({ message }) => /update put aside: it cannot be read/.test(message)).length, 1)
    t.deepEqual(app.sql('SELECT body FROM updates WHERE update_id = 1 AND handled_at IS NOT NULL'), [
      { body },
    ])
  },
)

for (const [title, files] of [
  ['is no JSON', '[{"file":"'],
  ['is no list', 'null'],
  ['lists something else', '[5]'],
] as const) {
  test.serial(
    `a list of refused files that ${title} is dropped, and the next files are named in a message of their own`,
    async (t) => {
      await using api = await startBotApi()
      await using app = await createApp({ api, env: { MAX_FILE_SIZE: '10' } })
      await app.start()
      const { chat_id: chatId } = await api.sendFile({ name: 'first' })
      await api.waitForMessage(chatId, ({ text }) => /^first .*was not taken/.test(text ?? ''))
      app.sql('UPDATE refusal_notices SET files = ?', files)
      await api.sendFile({ name: 'second' })
      await api.waitForMessage(chatId, ({ text }) => /^second .*was not taken/.test(text ?? ''))
      await api.sendFile({ name: 'third' })
      await api.waitForMessage(chatId, ({ text }) =>
        /^2 files were not taken:\n• second.*\n• third/.test(text ?? ''),
      )
      const failed = app.lines.filter(({ level }) => level === 'error').map(({ message }) => message)
      t.deepEqual(failed, ['a list of files that were not taken cannot be read: dropped'])
      t.is(app.sql('SELECT id FROM refusal_notices').length, 1)
    },
  )
}
