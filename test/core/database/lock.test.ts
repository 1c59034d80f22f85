import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'

const source = join(import.meta.dirname, '../../../app/core/database/lock.ts')
const program = `
  const { holdLock } = await import(${JSON.stringify(source)})
  try { globalThis.lock = holdLock(process.argv[1]); console.log('held'); setInterval(() => {}, 1000) }
  catch (error) { console.log(error.message); process.exit(1) }`

async function place(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'tgdepot-lock-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const file = join(dir, 'x.db')
  await writeFile(file, '')
  return file
}

/** A process that tries to hold the lock, and what it said first. */
async function holder(t: ExecutionContext, file: string, uid?: number) {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program, file], {
    stdio: ['ignore', 'pipe', 'inherit'],
    ...(uid !== undefined && { uid, gid: uid }),
  })
  t.teardown(() => child.kill('SIGKILL'))
  const [said] = await once(child.stdout, 'data')
  return { child, said: String(said).trim() }
}

test('one process holds it; a second one is told which', async (t) => {
  const file = await place(t)
  const { child, said } = await holder(t, file)
  t.is(said, 'held')
  const second = await holder(t, file)
  t.regex(
    second.said,
    new RegExp(`^DATABASE_URL: another bot, process ${child.pid}, works with this database`),
  )
})

test('a database by another name, a symbolic link, has the same lock', async (t) => {
  const file = await place(t)
  t.is((await holder(t, file)).said, 'held')
  await symlink(file, `${file}-2`)
  t.regex((await holder(t, `${file}-2`)).said, /^DATABASE_URL: another bot/)
})

test('a kill gives it back at once, whatever it left on the disk', async (t) => {
  const file = await place(t)
  for (let turn = 0; turn < 3; turn++) {
    const { child, said } = await holder(t, file)
    t.is(said, 'held')
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
})

test('a file of another user’s is a sentence', async (t) => {
  if (process.getuid?.() !== 0) return t.pass('only root can be two users')
  const file = await place(t)
  await writeFile(`${file}.lock`, '', { mode: 0o600 })
  const { said } = await holder(t, file, 65_534)
  t.regex(said, /^DATABASE_URL: .*\.lock cannot be locked/)
})
