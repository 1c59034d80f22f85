import type { BotHouse } from '../house.ts'
import type { Attachment } from './attachment.ts'
import type { IngestSettings } from './settings.ts'
import { noRoom, notAllowed, tooLarge, tooMany } from './texts.ts'

const minute = 60_000

/** Decides whether a file is taken. Returns the sentence of a refusal, or undefined; nothing is transferred yet. */
export async function refusalOf(
  { users, jobs, store }: BotHouse,
  settings: IngestSettings,
  userId: number,
  file: Attachment,
): Promise<string | undefined> {
  if (!users.mayUse(userId)) return notAllowed(userId)
  const { MAX_FILE_SIZE, RATE_LIMIT_PER_MINUTE } = settings
  if (file.size !== undefined && file.size > MAX_FILE_SIZE) return tooLarge(file, MAX_FILE_SIZE)

  const recent = await jobs.recent(userId, Date.now() - minute, RATE_LIMIT_PER_MINUTE)
  const oldest = recent[RATE_LIMIT_PER_MINUTE - 1]
  if (oldest !== undefined) {
    return tooMany(RATE_LIMIT_PER_MINUTE, Math.ceil((oldest + minute - Date.now()) / 1000))
  }

  const { free } = await store.room()
  const unpromised = Math.max(0, free - (await jobs.promised()))
  if ((file.size ?? 0) > unpromised) return noRoom(file, unpromised)
  return undefined
}
