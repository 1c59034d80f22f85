import { randomUUID } from 'node:crypto'
import { Composer, type Context } from 'telegraf'
import { z } from 'zod'
import type { BotContext, BotParts } from '../../context.ts'
import type { JobKind } from '../../jobs/index.ts'
import { placeOf } from '../../telegram/index.ts'
import type { NotesSettings } from './settings.ts'
import { done, received, tooLong } from './texts.ts'

const counting = 'notes-counting'

const payload = z.object({ id: z.string(), chatId: z.int() })

/** `/note <text>` keeps a note, and a job counts its words. */
export function parts(context: BotContext, settings: NotesSettings): BotParts {
  const { database, jobs, metrics, outbox, telegram } = context
  const handlers = new Composer<Context>()
  handlers.command('note', async (ctx) => {
    const place = placeOf(ctx.message)
    const words = ctx.message.text.replace(/^\/note\S*\s*/, '')
    if (words.length > settings.MAX_NOTE_LENGTH) {
      metrics.add('tgdepot_notes_refused_total')
      await outbox.post({ ...place, text: tooLong(settings.MAX_NOTE_LENGTH) })
      return
    }
    const [id, { id: userId }, { chatId }] = [randomUUID(), ctx.message.from, place]
    await database.query('INSERT INTO notes (id, user_id, words) VALUES ($1, $2, $3)', id, userId, words)
    const job = { kind: counting, key: `notes:${id}`, botId: telegram.id, userId, chatId, size: 0 }
    await jobs.create({ ...job, payload: { id, chatId } })
    await outbox.post({ ...place, text: received })
  })
  const commands = [{ command: 'note', description: 'Keep a note' }]
  return { handlers, commands, jobKinds: [countingKind(context)] }
}

function countingKind({ database, jobs, outbox }: BotContext): JobKind {
  return {
    name: counting,
    concurrency: 1,
    breakers: [],
    ready: () => true,
    async run(job) {
      const { id, chatId } = payload.parse(job.payload)
      await database.transaction(async () => {
        const [note] = await database.query<{ words: string }>('SELECT words FROM notes WHERE id = $1', id)
        const count = note?.words.match(/\S+/g)?.length ?? 0
        await database.query('UPDATE notes SET counted = $2 WHERE id = $1', id, count)
        await jobs.transition(job.id, 'RUNNING', 'COMPLETED', {}, job.worker)
        await outbox.post({ chatId, text: done(count) })
      })
    },
    classify: (_job, error) => ({ errorType: 'NOTE', message: String(error), retryable: true }),
    async failed() {},
  }
}
