import { counted } from '../../core/format.ts'

export const received = 'Noted. The words are being counted.'

export const done = (words: number) => `Your note has ${counted(words, 'word')}.`

export const tooLong = (most: number) => `A note may have ${most} characters. Send a shorter one.`

export const keepsANote = 'Keep a note'

export const helpLine = 'Write /note and some words, and I keep them.'
