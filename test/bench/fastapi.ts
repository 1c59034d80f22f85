import { spawn } from 'node:child_process'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { findPorts } from '../bot-api/fresh.ts'
import type { Published } from './app.ts'
import { end, listens, output, until } from './programs.ts'

export const fastApiWorkers = cpus().length

/** Debian's, which has Debian's modules; another one may stand before it in PATH. */
export const python = '/usr/bin/python3'

/** What keeps FastAPI from running here, or undefined. */
export async function whyNoFastApi(): Promise<string | undefined> {
  return await output(python, ['-c', 'import fastapi, uvicorn']).then(
    () => undefined,
    () => 'python3-fastapi or python3-uvicorn is not installed',
  )
}

/** FastAPI on uvicorn with a worker for each core, knowing one file. */
export async function startFastApi(
  folder: string,
  { uuid, path, size }: Published,
): Promise<AsyncDisposable & { url: string }> {
  const file = join(folder, 'fastapi.sqlite')
  const database = new DatabaseSync(file)
  database.exec('CREATE TABLE files (uuid TEXT PRIMARY KEY, path TEXT, name TEXT, size INTEGER)')
  database.prepare('INSERT INTO files VALUES (?, ?, ?, ?)').run(uuid, path, 'file.bin', size)
  database.close()

  const { http: port } = await findPorts()
  const host = '127.0.0.1'
  const flags = ['--host', host, '--port', `${port}`, '--workers', `${fastApiWorkers}`, '--no-access-log']
  const args = ['-m', 'uvicorn', 'fastapi_app:app', '--app-dir', import.meta.dirname, ...flags]
  const child = spawn(python, [...args, '--log-level', 'warning'], {
    env: { PATH: process.env.PATH, BENCH_DATABASE: file, PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  await until('uvicorn listens', () => listens({ host, port }))
  return { url: `http://${host}:${port}/download/${uuid}`, [Symbol.asyncDispose]: () => end(child) }
}
