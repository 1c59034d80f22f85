import { z } from 'zod'
import { wholeNumber } from '../../core/settings.ts'

export const notesSettings = z.object({
  MAX_NOTE_LENGTH: wholeNumber(1, 1000).default(200),
})

export type NotesSettings = z.output<typeof notesSettings>
