import { z } from 'zod'
import type { Job } from '../../jobs/index.ts'

const place = z.object({
  chatId: z.int(),
  threadId: z.int().optional(),
  replyTo: z.int().optional(),
})

export const filePayload = z
  .object({
    /** The link that this job makes; chosen before anything is done, so that every step can be repeated. */
    uuid: z.string().regex(/^[0-9a-f-]{36}$/),
    /** The message that shows how far it is: of jobs with a place, only for the release before, which knows no keys. */
    statusMessage: z.int().optional(),
    /** The message that carries the file. */
    messageId: z.int(),
    /** Where the answer stands; of older jobs it answers the message that carries the file. */
    place: place.optional(),
    /** It had to wait for its turn, and was counted in one message with the others. */
    hasWaited: z.boolean().optional(),
    fileId: z.string(),
    fileUniqueId: z.string(),
    name: z.string(),
    mimeType: z.string(),
    size: z.number().optional(),
  })
  .transform((read) => ({ ...read, size: read.size }))

/** What a job keeps about its file. */
export type Payload = z.output<typeof filePayload>

/** What a job keeps about its file, or undefined when that is damaged. */
export function readPayload(job: Pick<Job, 'payload'>): Payload | undefined {
  return filePayload.safeParse(job.payload).data
}
