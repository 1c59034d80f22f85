import type { BotContext } from '../../context.ts'
import type { Attachment } from '../../telegram/index.ts'
import { fileLimits } from './kinds.ts'
import { sharing, spaceRefusal } from './room.ts'
import type { IngestSettings } from './settings.ts'
import { jobRefused, type NotTaken, tooLarge } from './texts.ts'

/** What is to be known of a file before it is taken. */
type Asked = Pick<Attachment, 'name' | 'size' | 'fileUniqueId'>

/**
 * Decides whether a file is taken. Refused is only what can never be, or not now for all that is known; what comes too
 * fast is taken and waits. Nothing is transferred yet. Call it in the transaction that makes the job.
 */
export async function refusalOf(
  context: BotContext,
  settings: IngestSettings,
  of: { userId: number; chatId: number },
  file: Asked,
): Promise<NotTaken | undefined> {
  const { size } = file
  if (size !== undefined && size > settings.MAX_FILE_SIZE) {
    return tooLarge({ ...file, size }, settings.MAX_FILE_SIZE)
  }
  await context.database.serialize(sharing)
  const refused = await context.jobRefusal(fileLimits(settings), of.userId)
  if (refused) return jobRefused(file, refused)
  return await spaceRefusal(context, of.userId, file)
}
