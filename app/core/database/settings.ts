import { z } from 'zod'

export const databaseSettings = z.object({
  DATABASE_URL: z
    .string()
    // In an address two slashes begin a host: what stands there would be a file in the root of the disk.
    .regex(
      /^sqlite:(?!:memory:|\/\/[^/]).+/,
      'must be sqlite:<path of the database file>; it takes no other database as yet',
    )
    .default('sqlite:./data/db/tgdepot.sqlite'),
})

export type DatabaseSettings = z.output<typeof databaseSettings>

/** The path of the database file. */
export function databaseFile({ DATABASE_URL }: DatabaseSettings): string {
  return DATABASE_URL.slice('sqlite:'.length)
}
