import test from 'ava'
import type { Update } from 'telegraf/types'
import { givesStartCode, withoutStartCode } from '../../app/telegram/start-code.ts'

const code = 'Zx9_abcDEF-0123456789q'
const from = { id: 7, is_bot: false, first_name: 'Ann' }
const group = { id: -5, type: 'group', title: 'Friends' }

function updateOf(text: string, more: object = {}): Update {
  const command = /^\/\S+/.exec(text)?.[0]
  const entities = command && [{ type: 'bot_command', offset: 0, length: command.length }]
  const chat = { id: 7, type: 'private', first_name: 'Ann' }
  return { update_id: 1, message: { message_id: 1, date: 1, chat, from, text, entities, ...more } } as Update
}

const keep = (update: Update) => withoutStartCode(update, code, 'our_bot')

for (const text of [
  `/start ${code}`,
  `/START  ${code} `,
  `/start@our_bot ${code}`,
  `/start ${code} and more`,
]) {
  test(`“${text}” gives the code, and is kept without it`, (t) => {
    const kept = keep(updateOf(text))
    t.true(givesStartCode(kept))
    t.false(JSON.stringify(kept).includes(code))
    t.true(givesStartCode(JSON.parse(JSON.stringify(kept))), 'also when it was kept')
  })
}

const others: [title: string, update: Update][] = [
  ['a wrong code', updateOf(`/start ${code.toLowerCase()}`)],
  ['the code with a letter more', updateOf(`/start ${code}x`)],
  ['no code', updateOf('/start')],
  ['what stands in place of a kept code', updateOf(`/start ${'•'.repeat(code.length)}`)],
  ['the code as mere text', updateOf(code)],
  ['the code as a command', updateOf(`/${code}`)],
  ['another command', updateOf(`/help ${code}`)],
  ['a command for another bot', updateOf(`/start@their_bot ${code}`)],
  ['a group', updateOf(`/start@our_bot ${code}`, { chat: group })],
  ['a bot', updateOf(`/start ${code}`, { from: { ...from, is_bot: true } })],
  ['an answer to the code', updateOf('/start', { reply_to_message: updateOf(`/start ${code}`) })],
  [
    'a file with it in its caption',
    updateOf('', {
      text: undefined,
      caption: `/start ${code}`,
      caption_entities: [{ type: 'bot_command', offset: 0, length: 6 }],
    }),
  ],
  ['an update of an odd shape', { update_id: 1, message: { text: `/start ${code}` } } as Update],
  ['a mark that came from outside', { ...updateOf('/start x'), ...{ gives_start_code: true } }],
]

for (const [title, update] of others) {
  test(`${title} does not give the code`, (t) => {
    const kept = keep(update)
    t.false(givesStartCode(kept))
    t.false(JSON.stringify(kept).includes(code))
  })
}

test('wherever the code stands it is kept out, and the rest stays as it was', (t) => {
  const document = { file_id: 'f', file_unique_id: 'u', file_name: `${code}.txt` }
  const entities = [{ type: 'text_link', offset: 3, length: 2, url: `https://t.me/our_bot?start=${code}` }]
  const update = updateOf(`a ${code} b`, { document, caption: `x${code}y`, entities })
  const concealed = JSON.stringify(update).replaceAll(code, '•'.repeat(code.length))
  t.is(JSON.stringify(keep(update)), concealed)
})
