import type { BotHouse } from '../house.ts'
import type { Attachment } from './attachment.ts'
import { roomRefusal } from './room.ts'
import type { IngestSettings } from './settings.ts'
import { jobRefused, notAllowed, tooLarge, tooMany } from './texts.ts'

const minute = 60_000

/** What is to be known of a file before it is taken. */
type Asked = Pick<Attachment, 'name' | 'size' | 'fileUniqueId'>

/** Decides whether a file is taken. Returns the sentence of a refusal, or undefined; nothing is transferred yet. */
export async function refusalOf(
  house: BotHouse,
  settings: IngestSettings,
  of: { userId: number; chatId: number },
  file: Asked,
): Promise<string | undefined> {
  const { users, jobs } = house
  if (!users.mayUse(of.userId)) return notAllowed(of.userId)
  const { MAX_FILE_SIZE, RATE_LIMIT_PER_MINUTE } = settings
  if (file.size !== undefined && file.size > MAX_FILE_SIZE) return tooLarge(file, MAX_FILE_SIZE)

  const seconds = await jobs.load.freeIn({ userId: of.userId }, minute, RATE_LIMIT_PER_MINUTE)
  if (seconds > 0) return tooMany(RATE_LIMIT_PER_MINUTE, seconds)
  const refused = await house.jobLimits(of)
  if (refused) return jobRefused(refused)
  return await roomRefusal(house, of.userId, file)
}
