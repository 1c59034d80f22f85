import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'

let asked: { port: MessagePort; bell: Int32Array } | undefined

/** Runs one statement with `?` places on a PostgreSQL and waits for its rows, without letting anything else run. */
export function askPostgres(url: string, statement: string, parameters: unknown[]): unknown[] {
  asked ??= startAsking()
  const { port, bell } = asked
  Atomics.store(bell, 0, 0)
  port.postMessage({ url, statement, parameters })
  Atomics.wait(bell, 0, 0, 20_000)
  const { rows, error } = receiveMessageOnPort(port)?.message ?? { error: 'no answer within 20 s' }
  if (error !== undefined) throw new Error(`${error}: ${statement}`)
  return rows
}

function startAsking() {
  const { port1: port, port2 } = new MessageChannel()
  const bell = new Int32Array(new SharedArrayBuffer(4))
  const workerData = { port: port2, bell }
  const worker = new Worker(new URL('postgres-worker.ts', import.meta.url), {
    workerData,
    transferList: [port2],
  })
  worker.unref()
  port.unref()
  return { port, bell }
}
