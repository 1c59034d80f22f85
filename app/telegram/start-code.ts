import type { Update } from 'telegraf/types'
import { isSecret } from '../core/secret.ts'
import { startParameterOf } from './addressing.ts'

/** An update as it is kept. The mark is only ever set here, so nobody can send it. */
type KeptUpdate = Update & { gives_start_code?: true | undefined }

/** Whether somebody came by the start link with the code, or wrote the same. */
export function givesStartCode(update: KeptUpdate): boolean {
  return update.gives_start_code === true
}

/**
 * An update without the code of the start link, wherever in it that stands: rows outlive the code's use and may be read
 * by others, and answers repeat names of files and commands.
 */
export function withoutStartCode(update: Update, code: string, username: string): KeptUpdate {
  // As long as the code, so that what Telegram says of places in the text stays true.
  const concealed = '•'.repeat(code.length)
  const kept = JSON.parse(JSON.stringify(update), (_key, value) =>
    typeof value === 'string' ? value.replaceAll(code, concealed) : value,
  )
  return { ...kept, gives_start_code: gives(update, code, username) || undefined }
}

function gives(update: Update, code: string, username: string): boolean {
  try {
    const parameter = 'message' in update ? startParameterOf(update.message, username) : undefined
    return parameter !== undefined && isSecret(parameter, code)
  } catch {
    // An update of an odd shape is put aside when it is handled; not kept, it would come again and hold up all others.
    return false
  }
}
