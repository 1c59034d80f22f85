import { createHash } from 'node:crypto'
import type { Pool } from 'pg'
import { withNumberedPlaces } from './postgres.ts'
import type { Read, Row } from './reader.ts'

/** A SELECT with `?` places that the server parses once for each connection. */
export function prepareOn<R extends Row>(pool: Pool, sql: string): Read<R> {
  const text = withNumberedPlaces(sql)
  const name = createHash('sha256').update(text).digest('base64url')
  return async (...values) => (await pool.query<R>({ name, text, values })).rows[0]
}
