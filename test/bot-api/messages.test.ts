import test from 'ava'
import { callApi } from './call-api.ts'
import { type StandIn, startBotApi } from './client.ts'

let server: StandIn

test.before(async () => {
  server = await startBotApi()
  await server.sendText('hello')
})

test.after.always(() => server?.stop())

const send = (params: object) => callApi(server, 'sendMessage', { chat_id: 1001, ...params })

const unparsable: [html: string, reason: string][] = [
  ['a < b', 'Unsupported start tag "" at byte offset 2'],
  ['Größe <big>x</big>', 'Unsupported start tag "big" at byte offset 8'],
  ['<b>bold', `Can't find end tag corresponding to start tag "b"`],
  ['<b>x</i>', 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'],
  ['x</b>', 'Unexpected end tag at byte offset 1'],
  ['<span>x</span>', 'Tag "span" must have class "tg-spoiler" at byte offset 0'],
]

for (const [html, reason] of unparsable) {
  test(`the HTML ${html} is refused`, async (t) => {
    const answer = await send({ text: html, parse_mode: 'HTML' })
    t.like(answer, { status: 400, description: `Bad Request: can't parse entities: ${reason}` })
  })
}

test('HTML is shown as text with entities counted in UTF-16', async (t) => {
  const text =
    '  😀 <b>fat <i>both</i></b> &lt;x&gt; &amp; <a href="https://example.org/?a=1&amp;b=2">link</a> '
  const { result } = await send({ text, parse_mode: 'HTML' })
  t.is(result.text, '😀 fat both <x> & link')
  t.deepEqual(result.entities, [
    { type: 'bold', offset: 3, length: 8 },
    { type: 'italic', offset: 7, length: 4 },
    { type: 'text_link', offset: 18, length: 4, url: 'https://example.org/?a=1&b=2' },
  ])
})

test('a link that Telegram does not take stays plain text', async (t) => {
  const { result } = await send({ text: '<a href="http://localhost:8000/x">link</a>', parse_mode: 'HTML' })
  t.is(result.text, 'link')
  t.is(result.entities, undefined)
})

test('an empty, a blank and a too long text are refused', async (t) => {
  t.is((await send({ text: '' })).description, 'Bad Request: message text is empty')
  t.is((await send({ text: ' \n ' })).description, 'Bad Request: text must be non-empty')
  t.is((await send({ text: 'x'.repeat(4097) })).description, 'Bad Request: message is too long')
  t.true((await send({ text: `<b>${'x'.repeat(4096)}</b>`, parse_mode: 'HTML' })).ok)
  t.is((await send({ text: 'x', parse_mode: 'Wiki' })).description, 'Bad Request: unsupported parse_mode')
})

test('an unknown chat, a silent user and a missing chat_id are refused', async (t) => {
  t.like(await send({ chat_id: 999, text: 'x' }), { status: 400, description: 'Bad Request: chat not found' })
  t.is((await callApi(server, 'sendMessage', { text: 'x' })).description, 'Bad Request: chat_id is empty')
  const chat = { id: -100500, type: 'supergroup', title: 'Team' } as const
  await server.sendText('in the group', { from: { id: 77 }, chat })
  t.like(await send({ chat_id: 77, text: 'x' }), {
    status: 403,
    description: "Forbidden: bot can't initiate conversation with a user",
  })
})

const keyboards: [button: object, description: string][] = [
  [{ text: 'a', callback_data: '' }, 'BUTTON_DATA_INVALID'],
  [{ text: 'a', callback_data: 'ж'.repeat(33) }, 'BUTTON_DATA_INVALID'],
  [{ text: 'a' }, "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"],
  [{ callback_data: 'a' }, 'can\'t parse inline keyboard button: Can\'t find field "text"'],
  [
    { text: 'a', url: 'http://localhost:8000/download/1' },
    "inline keyboard button URL 'http://localhost:8000/download/1' is invalid: Wrong HTTP URL",
  ],
  [
    { text: 'a', url: 'ftp://a.org' },
    "inline keyboard button URL 'ftp://a.org' is invalid: Unsupported URL protocol",
  ],
]

for (const [button, description] of keyboards) {
  test(`the button ${JSON.stringify(button).slice(0, 60)} is refused`, async (t) => {
    const answer = await send({ text: 'x', reply_markup: { inline_keyboard: [[button]] } })
    t.is(answer.description, `Bad Request: ${description}`)
  })
}

test('a keyboard may come as JSON in a string, and URLs with a dot or an address are taken', async (t) => {
  const inline_keyboard = [
    [{ text: 'Open', url: 'https://files.example.org/download/1' }],
    [{ text: 'Here', url: 'http://127.0.0.1:8000/' }],
    [{ text: 'Retry', callback_data: 'ж'.repeat(32) }],
  ]
  const { result } = await send({ text: 'x', reply_markup: JSON.stringify({ inline_keyboard }) })
  t.deepEqual(result.reply_markup, { inline_keyboard })
})

test('an edit changes the text, drops the keyboard that it does not name, and is remembered', async (t) => {
  const reply_markup = { inline_keyboard: [[{ text: 'x', callback_data: 'x' }]] }
  const { result } = await send({ text: 'first', reply_markup })
  const message = { chat_id: 1001, message_id: result.message_id }
  const edited = await callApi(server, 'editMessageText', { ...message, text: 'second' })
  t.is(edited.result.text, 'second')
  t.is(edited.result.reply_markup, undefined)
  const shown = await server.waitForMessage(1001, ({ message_id }) => message_id === result.message_id)
  t.like(shown.edits, [{ text: 'second' }])
})

test('an edit that changes nothing is refused, also when its mark-up is written otherwise', async (t) => {
  const { result } = await send({ text: '<b>same</b>', parse_mode: 'HTML' })
  const edit = {
    chat_id: 1001,
    message_id: result.message_id,
    text: '<strong>same</strong>',
    parse_mode: 'HTML',
  }
  const { status, description } = await callApi(server, 'editMessageText', edit)
  t.is(status, 400)
  t.regex(
    description ?? '',
    /^Bad Request: message is not modified: specified new message content and reply markup/,
  )
})

test('missing, deleted and foreign messages cannot be edited', async (t) => {
  const edit = (message_id: number) =>
    callApi(server, 'editMessageText', { chat_id: 1001, message_id, text: 'x' }).then(
      (answer) => answer.description,
    )
  t.is(await edit(99_999), 'Bad Request: message to edit not found')
  t.is(await edit((await server.sendText('mine')).message_id), "Bad Request: message can't be edited")
  const { result } = await send({ text: 'short lived' })
  const message = { chat_id: 1001, message_id: result.message_id }
  t.true((await callApi(server, 'deleteMessage', message)).result)
  t.is(await edit(result.message_id), 'Bad Request: message to edit not found')
  const again = await callApi(server, 'deleteMessage', message)
  t.is(again.description, 'Bad Request: message to delete not found')
})

test('a reply to a message that is gone is refused unless it may go without', async (t) => {
  const reply_parameters = { message_id: 99_999 }
  t.is(
    (await send({ text: 'x', reply_parameters })).description,
    'Bad Request: message to be replied not found',
  )
  const lenient = { ...reply_parameters, allow_sending_without_reply: true }
  t.is((await send({ text: 'x', reply_parameters: lenient })).result.reply_to_message, undefined)
  const { message_id } = await server.sendText('question')
  const { result } = await send({ text: 'x', reply_parameters: { message_id } })
  t.is(result.reply_to_message.message_id, message_id)
})

test('chat actions and reactions are checked', async (t) => {
  t.true((await callApi(server, 'sendChatAction', { chat_id: 1001, action: 'typing' })).result)
  t.false((await callApi(server, 'sendChatAction', { chat_id: 1001, action: 'dancing' })).ok)
  const { message_id } = await server.sendText('like me')
  const react = (emoji: string) =>
    callApi(server, 'setMessageReaction', { chat_id: 1001, message_id, reaction: [{ type: 'emoji', emoji }] })
  t.true((await react('👀')).result)
  t.is((await react('🧀')).description, 'Bad Request: REACTION_INVALID')
})

test('getChat shows the user behind a private chat', async (t) => {
  t.like((await callApi(server, 'getChat', { chat_id: 1001 })).result, {
    id: 1001,
    type: 'private',
    first_name: 'Ann',
  })
})
