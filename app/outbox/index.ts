export type { MoveListener } from './chats.ts'
export type { AlbumMedia, Content, Media, Words } from './content.ts'
export type { Delivery, DeliveryEvent } from './delivery.ts'
export type {
  Button,
  GrowingMessage,
  LinkPreview,
  NewMessage,
  OutboxDatabase,
  Revision,
  SendingOptions,
} from './message.ts'
export { outboxMigrations } from './migrations.ts'
export { Outbox } from './outbox.ts'
export { OutboxSender } from './outbox-sender.ts'
export { eraseKeyed } from './person.ts'
export type { SentFile } from './pieces.ts'
