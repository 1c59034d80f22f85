import { z } from 'zod'

export const databaseSettings = z.object({
  DATABASE_URL: z
    .string()
    .regex(/^sqlite:(?!:memory:).+/, 'must be sqlite:<path of the database file>')
    .default('sqlite:./data/db/tgdepot.sqlite'),
})

export type DatabaseSettings = z.output<typeof databaseSettings>

/** The path of the database file. */
export function databaseFile({ DATABASE_URL }: DatabaseSettings): string {
  return DATABASE_URL.slice('sqlite:'.length)
}
