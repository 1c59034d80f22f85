export type { Attachment } from './attachment.ts'
export {
  type Claims,
  ClaimTable,
  type Command,
  type Declared,
  type HelpLine,
  type Stranger,
} from './claims.ts'
export {
  type Fetched,
  ForeignPath,
  LargerThanAnnounced,
  type Leftover,
  Stalled,
  type TelegramFiles,
} from './files.ts'
export type { FileRequest, HeardMessage, LinkRequest, Press } from './heard.ts'
export { telegramMigrations } from './migrations.ts'
export { telegramSettings } from './settings.ts'
export { sayNow, TelegramBot } from './telegram-bot.ts'
export { privateBot } from './texts.ts'
