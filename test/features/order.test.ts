import { join } from 'node:path'
import test from 'ava'
import { type StandIn, startBotApi } from '../bot-api/client.ts'
import { linkFor } from '../helpers/chat.ts'
import { startApp } from '../helpers/start-app.ts'
import { until } from '../helpers/until.ts'

const code = 'Zx9_abcDEF-0123456789q'
const [ann, bob] = [{ id: 8101 }, { id: 8102 }]
const group = { id: -1_000_000_008_100, type: 'supergroup' as const, title: 'Friends' }

/** Writes to the bot and waits for its answer. */
async function ask(api: StandIn, text: string, from = ann, chat?: typeof group): Promise<string> {
  const { message_id, chat_id } = await api.sendText(text, { from, ...(chat && { chat }) })
  const answer = await api.waitForMessage(chat_id, (message) => message.reply_to_message_id === message_id)
  return answer.text ?? ''
}

test('the bot says and does the same when its features are listed the other way round', async (t) => {
  t.timeout(90_000)
  await using api = await startBotApi()
  const NODE_OPTIONS = `--import ${join(import.meta.dirname, '../helpers/reverse-features.ts')}`
  await using _app = await startApp({ api, env: { CLAIM_CODE: code, NODE_OPTIONS } })
  t.regex(await ask(api, '/help', bob), /^This bot has no owner yet/)
  t.regex(await ask(api, `/start ${code}`), /^This bot is yours now/)
  t.regex(await ask(api, `/start ${code}`, bob), /^This bot has an owner already/)
  t.regex(await ask(api, '/start'), /^Send me a file/)
  t.regex(await ask(api, '/help'), /^Send me a file/)
  t.is(await ask(api, '/stats'), "I don't know /stats. /help lists what I can do.")
  t.regex(await ask(api, 'hello'), /^That is not a file/)
  t.regex(await ask(api, '/link', ann, group), /^There is no file here/)
  t.regex(await ask(api, `what now, ${api.mention}?`, ann, group), /^Reply to a file with \/link/)
  const file = await api.sendFile({ from: bob, chat: group, size: 100 })
  const about = { from: ann, chat: group, reply_to_message_id: file.message_id }
  await linkFor(api, await api.sendText(`this one, ${api.mention}`, about))

  const error = { error_code: 400, description: 'Bad Request: something new' }
  await api.fault({ method: 'getFile', error })
  const sent = await api.sendFile({ from: ann, seed: 'fails at first' })
  const { message_id, inline_keyboard } = await api.waitForMessage(
    ann.id,
    (message) => message.reply_to_message_id === sent.message_id && message.inline_keyboard !== undefined,
  )
  const data = String(inline_keyboard?.[0]?.[0]?.callback_data)
  await api.press({ from: ann, chat_id: ann.id, message_id, data })
  await linkFor(api, sent)
  const [answer] = await until('the press is answered', async () => {
    const { answers } = await api.chat(ann.id)
    return answers.length > 0 && answers
  })
  t.is(answer?.text, 'Trying again.')
})
