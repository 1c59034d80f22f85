import test from 'ava'
import { MessageRows } from '../../app/outbox/message-rows.ts'
import { outboxPerson } from '../../app/outbox/person.ts'
import { SendingRows } from '../../app/outbox/sending-rows.ts'
import { openRecords } from '../helpers/records.ts'

test('of the newest message nothing stays but its number when its person is erased', async (t) => {
  await using records = await openRecords()
  const { database } = records
  const id = await new MessageRows(database).write({
    botId: 42,
    chatId: 5,
    replyTo: 7,
    content: { type: 'photo', file: { path: '/holiday.jpg' }, caption: { html: 'my holiday' } },
    keyboard: [[{ text: 'their button', callback_data: 'x' }]],
    key: 'their-key',
    silent: true,
  })
  await database.query(
    "UPDATE messages SET progress = 'half', message_id = 8, last_message_id = 9, delivered = '[]', sending_after = 6",
  )
  const removeFiles = async () => {}
  await outboxPerson.erase({ database, log: records.log, removeFiles }, 5)

  const [left = {}] = await database.query('SELECT * FROM messages')
  t.is(left.id, id)
  const bare = ['id', 'bot_id', 'revision', 'sent_revision', 'attempts', 'due_at', 'created_at', 'withdrawn']
  for (const [column, value] of Object.entries(left)) {
    if (!bare.includes(column)) t.true(value === null || value === '' || value === 0, `${column}: ${value}`)
  }
  t.deepEqual(await new SendingRows(database, 42).due(10, true), [])
})
