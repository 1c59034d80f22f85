export { type Asked, askedOf, placeOf, startParameterOf, type Writer, writerOf } from './addressing.ts'
export {
  type Fetched,
  ForeignPath,
  LargerThanAnnounced,
  type Leftover,
  Stalled,
  type TelegramFiles,
} from './files.ts'
export { telegramMigrations } from './migrations.ts'
export { telegramSettings } from './settings.ts'
export { givesStartCode } from './start-code.ts'
export { type Command, sayNow, TelegramBot } from './telegram-bot.ts'
