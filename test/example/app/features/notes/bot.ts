import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { BotContext, BotParts } from '../../context.ts'
import type { JobKind, JobType } from '../../jobs/index.ts'
import { texts } from './catalogue.ts'
import type { NotesSettings } from './settings.ts'

const payload = z.object({ id: z.string(), chatId: z.int() })

/** Holds no file and no room. */
const counting: JobType<typeof payload> = { name: 'notes-counting', payload, holds: () => ({}) }

/** `/note <text>` keeps a note, and a job counts its words. */
export function parts(context: BotContext, settings: NotesSettings): BotParts {
  const { database, jobs, metrics } = context
  return {
    commands: [
      {
        name: 'note',
        description: texts.each(({ keepsANote }) => keepsANote),
        audience: 'allowed',
        places: 'private',
        async handle({ text, userId, place: { chatId }, language }) {
          const say = texts.in(language)
          const words = text.replace(/^\/note\S*\s*/, '')
          if (words.length > settings.MAX_NOTE_LENGTH) {
            metrics.add('tgdepot_notes_refused_total')
            return say.tooLong(settings.MAX_NOTE_LENGTH)
          }
          const id = randomUUID()
          const sql = 'INSERT INTO notes (id, user_id, words) VALUES ($1, $2, $3)'
          await database.query(sql, id, userId, words)
          await jobs.create(counting, { key: `notes:${id}`, userId, chatId, payload: { id, chatId } })
          return say.received
        },
      },
    ],
    help: [{ audience: 'allowed', places: 'private', text: (language) => texts.in(language).helpLine }],
    jobKinds: [countingKind(context)],
  }
}

function countingKind({ database, jobs, outbox }: BotContext): JobKind<typeof payload> {
  return {
    ...counting,
    lane: {
      name: 'notes',
      concurrency: 1,
      isOfBot: false,
      breakers: [],
      ready: () => true,
      stuckAfter: 60_000,
    },
    retries: [1, 10],
    maxCrashes: 3,
    attemptFailed: { name: 'COUNTING_FAILED', stage: 'NOTES' },
    async run(job) {
      const { id, chatId } = job.payload
      await database.transaction(async () => {
        const [note] = await database.query<{ words: string }>('SELECT words FROM notes WHERE id = $1', id)
        const count = note?.words.match(/\S+/g)?.length ?? 0
        await database.query('UPDATE notes SET counted = $2 WHERE id = $1', id, count)
        await jobs.transition(job.id, 'RUNNING', 'COMPLETED', {}, job.worker)
        await outbox.post({ chatId, text: texts.in().done(count) })
      })
    },
    classify: (_job, error) => ({ errorType: 'NOTE', message: String(error), retryable: true }),
    async onFailure() {},
  }
}
