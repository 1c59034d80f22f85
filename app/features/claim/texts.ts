export const owned =
  'This bot is yours now: you hear of trouble with its server here, and nobody else may use it but whom the settings ' +
  'on the server allow. Send me a file, and I answer with a link. /help'

export const wrongCode =
  'This is not the link that makes you the owner of this bot. The right one stands at the end of the installation.'

export const tooMany =
  'Too many tries. Wait ten minutes, then open the link that the installation printed at its end.'

export function hasOwner(userId: number): string {
  return `This bot has an owner already. To use it, ask them to allow your id: <code>${userId}</code>`
}
