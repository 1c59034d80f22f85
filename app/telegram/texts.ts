import { escapeHtml } from '../core/html.ts'

export const whatItDoes = 'What this bot does'

export const notAFile =
  'That is not a file: send me a document, video, audio or photo, and I answer with a link. /help'

export const anonymous =
  'I cannot see who is asking. Write as yourself, not in the name of the group or of a channel, and ask again.'

/** @param mention the bot's own, which a command in a group needs to be heard */
export function unknownCommand(command: string, mention = ''): string {
  const name = command.length > 32 ? `${command.slice(0, 32)}…` : command
  return `I don't know <code>/${escapeHtml(name)}</code>. /help${mention} lists what I can do.`
}

/** Why strangers are not served, and what they can do. */
export function privateBot(userId: number, isOwnerless: boolean): [because: string, advice: string] {
  if (isOwnerless) {
    const advice = 'If you installed it, open the link that the installation printed at its end.'
    return ['this bot has no owner yet', advice]
  }
  return ['this bot is private', `To use it, ask its owner to allow your id: <code>${userId}</code>`]
}

export function notAllowed(userId: number, isOwnerless: boolean): string {
  const [because, advice] = privateBot(userId, isOwnerless)
  return `${because[0]?.toUpperCase()}${because.slice(1)}. ${advice}`
}

export const noUse = 'This button has no use any more.'

/** For the sender of an update that cannot be handled. */
export const putAside =
  'Something went wrong on the server, and this was not handled; its owner finds the cause in the log. ' +
  'Please try again later.'
