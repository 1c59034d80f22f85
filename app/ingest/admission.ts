import type { BotHouse } from '../house.ts'
import type { Attachment } from './attachment.ts'
import { roomRefusal } from './room.ts'
import type { IngestSettings } from './settings.ts'
import { jobRefused, type NotTaken, strange, tooLarge } from './texts.ts'

/** What is to be known of a file before it is taken. */
type Asked = Pick<Attachment, 'name' | 'size' | 'fileUniqueId'>

/**
 * Decides whether a file is taken. Refused is only what can never be, or not now for all that is known; what comes too
 * fast is taken and waits. Nothing is transferred yet.
 */
export async function refusalOf(
  house: BotHouse,
  settings: IngestSettings,
  of: { userId: number; chatId: number },
  file: Asked,
): Promise<NotTaken | undefined> {
  if (!(await house.users.mayUse(of.userId))) {
    return strange(file, of.userId, await house.users.isOwnerless())
  }
  const { size } = file
  if (size !== undefined && size > settings.MAX_FILE_SIZE) {
    return tooLarge({ ...file, size }, settings.MAX_FILE_SIZE)
  }
  const refused = await house.jobLimits(of)
  if (refused) return jobRefused(file, refused)
  return await roomRefusal(house, of.userId, file)
}
