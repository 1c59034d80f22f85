// Answers the questions of ask-postgres.ts, whose thread sleeps meanwhile.
import { type MessagePort, workerData } from 'node:worker_threads'
import { openPool, withNumberedPlaces } from '../../app/core/database/postgres.ts'
import { placeOf } from '../../app/core/database/settings.ts'

interface Question {
  url: string
  statement: string
  parameters: unknown[]
}

const { port, bell } = workerData as { port: MessagePort; bell: Int32Array }

port.on('message', async (question: Question) => {
  port.postMessage(await ask(question).catch((error) => ({ error: error.message })))
  Atomics.store(bell, 0, 1)
  Atomics.notify(bell, 0)
})

async function ask({ url, statement, parameters }: Question): Promise<{ rows: unknown[] }> {
  const place = placeOf({ DATABASE_URL: url })
  if (place.dialect !== 'postgres') throw new Error('this is no address of a PostgreSQL database')
  // Not kept open: a database that someone uses cannot be dropped.
  const pool = openPool(place, 1)
  try {
    const { rows } = await pool.query(withNumberedPlaces(statement), parameters)
    return { rows: JSON.parse(JSON.stringify(rows)) }
  } finally {
    await pool.end()
  }
}
