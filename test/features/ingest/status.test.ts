import { randomUUID } from 'node:crypto'
import test from 'ava'
import { startBotApi } from '../../bot-api/client.ts'
import { linkFor } from '../../helpers/chat.ts'
import { startApp } from '../../helpers/start-app.ts'
import { until } from '../../helpers/until.ts'

test('a job from before messages had keys tells its end in its message', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  await api.settings({ download_bytes_per_second: 0 })
  const sent = await api.sendFile({ name: 'old.bin' })
  const { message_id } = await api.waitForMessage(1001, (message) => message.from.is_bot)
  await until(
    'it is recorded',
    () => app.sql('SELECT 1 FROM messages WHERE message_id IS NOT NULL').length > 0,
  )
  await app.kill('SIGKILL')
  const [row] = app.sql<{ id: number; payload: string }>('SELECT id, payload FROM jobs')
  const [message] = app.sql<{ id: number }>('SELECT id FROM messages')
  const { place: _, ...payload } = JSON.parse(String(row?.payload))
  const old = { ...payload, statusMessage: message?.id, uuid: randomUUID() }
  app.sql('UPDATE jobs SET payload = ?', JSON.stringify(old))
  app.sql('UPDATE messages SET message_key = NULL')
  await api.settings({ download_bytes_per_second: null })
  await app.start()
  const link = await linkFor(api, sent)
  t.is(link.message.message_id, message_id)
})

test('the release before, back by a rollback, finds the message of a file that this one took', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api })
  await api.settings({ download_bytes_per_second: 0 })
  await api.sendFile()
  await api.waitForMessage(1001, (message) => message.from.is_bot)
  const [row] = app.sql<{ payload: string }>('SELECT payload FROM jobs')
  const { uuid, statusMessage } = JSON.parse(String(row?.payload))
  // It knows messages by their number alone.
  t.deepEqual(app.sql('SELECT id, message_key FROM messages'), [
    { id: statusMessage, message_key: `file:${uuid}` },
  ])
})
