import test from 'ava'
import { MessageRows } from '../../app/outbox/message-rows.ts'
import { SendingRows } from '../../app/outbox/sending-rows.ts'
import { openRecords } from '../helpers/records.ts'

test('a message that is refused for half an hour no longer holds back those behind it', async (t) => {
  await using records = await openRecords()
  const written = new MessageRows(records.database)
  const rows = new SendingRows(records.database, 42)
  const first = await written.write({ botId: 42, chatId: 5, text: 'one' })
  const second = await written.write({ botId: 42, chatId: 5, text: 'two' })
  for (let attempt = 1; attempt < 10; attempt++) {
    await rows.postpone(first, 300_000, true)
    t.deepEqual(await rows.due(10, true), [])
  }
  await rows.postpone(first, 300_000, true)
  t.deepEqual(await rows.due(10, true), [{ id: second, chat_id: 5, kind: null, content: null }])
  await records.database.query('UPDATE messages SET due_at = 0 WHERE id = $1', first)
  t.deepEqual(
    await rows.due(10, true),
    [{ id: first, chat_id: 5, kind: null, content: null }],
    'when its time comes, it is first again',
  )
})
