import type { Button, InlineKeyboard } from '../cloud/records.ts'
import { badRequest } from '../server/api-error.ts'
import type { Params } from '../server/params.ts'
import { checkLink } from './links.ts'

const MAX_BUTTONS = 100
const MAX_CALLBACK_BYTES = 64
const ACTIONS = ['url', 'callback_data', 'web_app', 'login_url', 'copy_text', 'switch_inline_query']
const OTHER_MARKUPS = ['keyboard', 'remove_keyboard', 'force_reply']

/** The inline keyboard in `reply_markup`, or undefined without one; 400 where Telegram would not take it. */
export function readInlineKeyboard(params: Params): InlineKeyboard | undefined {
  const markup = params.json('reply_markup', 'reply keyboard markup')
  if (markup === undefined) return undefined
  if (!isObject(markup)) throw badRequest('object expected as reply markup')
  if (markup.inline_keyboard === undefined) {
    if (OTHER_MARKUPS.some((name) => name in markup)) return undefined
    if (Object.keys(markup).length === 0) return undefined
    throw badRequest('object expected as reply markup')
  }
  const rows = markup.inline_keyboard
  if (!Array.isArray(rows))
    throw badRequest('field "inline_keyboard" of the InlineKeyboardMarkup must be an Array')
  const keyboard = rows.map((row) => {
    if (!Array.isArray(row)) throw wrongMarkup('expected an Array of InlineKeyboardButton')
    return row.map(readButton)
  })
  if (keyboard.flat().length > MAX_BUTTONS) throw badRequest('reply markup is too long')
  const filled = keyboard.filter((row) => row.length > 0)
  return filled.length > 0 ? filled : undefined
}

function readButton(button: unknown): Button {
  if (!isObject(button)) throw wrongButton('expected an Object')
  const { text } = button
  if (typeof text !== 'string') throw wrongButton('Can\'t find field "text"')
  if (text.trim() === '') throw badRequest('inline keyboard button text must be non-empty')
  const action = ACTIONS.find((name) => button[name] !== undefined)
  if (!action) throw wrongButton('Text buttons are unallowed in the inline keyboard')
  if (action === 'callback_data') {
    const bytes = typeof button.callback_data === 'string' ? Buffer.byteLength(button.callback_data) : 0
    if (bytes < 1 || bytes > MAX_CALLBACK_BYTES) throw badRequest('BUTTON_DATA_INVALID')
  }
  if (action === 'url') checkUrl(String(button.url))
  if (action === 'copy_text') {
    const copied = isObject(button.copy_text) ? button.copy_text.text : undefined
    const isFit = typeof copied === 'string' && copied.length >= 1 && copied.length <= 256
    if (!isFit) throw badRequest('BUTTON_COPY_TEXT_INVALID')
  }
  return { ...button, text }
}

function checkUrl(url: string): void {
  const reason = checkLink(url)
  if (reason) throw badRequest(`inline keyboard button URL '${url}' is invalid: ${reason}`)
}

function wrongButton(reason: string) {
  return badRequest(`can't parse inline keyboard button: ${reason}`)
}

function wrongMarkup(reason: string) {
  return badRequest(`can't parse inline keyboard markup: ${reason}`)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
