import type { OwnerCommand } from './context.ts'
import { isDamage } from './core/database/errors.ts'
import { secretsOf } from './core/database/settings.ts'
import { StartError } from './core/errors.ts'
import { createLog, scrub, takeOverConsole } from './core/log.ts'
import { databaseModule, logModule } from './core/module.ts'
import { commandRole, type Role, roles } from './roles.ts'
import { commands } from './run/commands.ts'
import { settingsFor } from './run/settings.ts'
import { usersModule } from './users/module.ts'

/** Milliseconds after which a stop that hangs is ended by force; below the units' TimeoutStopSec. */
const lastResort = 28_000

const names = roles.map(({ name }) => name)
const called = ({ name, takes = '' }: Pick<OwnerCommand, 'name' | 'takes'>) => `${name} ${takes}`.trim()
/** It needs two databases, and so is no feature's. */
const move = {
  name: 'move-database',
  takes: '[from] <to>',
  description: 'copies everything into an empty database, from that of DATABASE_URL',
}
const offered = [...commands, move]
const width = Math.max(...offered.map((command) => called(command).length))
const optional = names.map((name) => `[${name}]`).join(' ')

const usage = `Usage: app/main.ts ${optional}    runs these roles; without one, all in one process
       app/main.ts --check ${optional}    says what would keep them from working, and changes nothing
       app/main.ts <command>

${offered.map((command) => `  ${called(command).padEnd(width)} ${command.description}`).join('\n')}
`

/** Aborted by the signal that asks to stop; from then on the process has {@link lastResort} to end by itself. */
function stopSignal(): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => {
      setTimeout(() => process.exit(1), lastResort).unref()
      stop.abort(signal)
    })
  }
  return stop.signal
}

/** Whether an error only says that a wait was given up for the signal to stop. */
const isStop = (error: unknown, stop: AbortSignal) =>
  stop.aborted && error instanceof Error && error.name === 'AbortError'

/** @throws StartError */
function rolesNamed(words: string[]): Role[] {
  const unknown = words.filter((word) => !names.includes(word))
  if (unknown.length > 0) {
    throw new StartError(
      `unknown role ${unknown.join(', ')}: the roles are ${names.join(' and ')}; --help names the commands`,
    )
  }
  return words.length === 0 ? roles : roles.filter(({ name }) => words.includes(name))
}

/** Serves until it is told to stop. */
async function run(asked: Role[], stop: AbortSignal): Promise<void> {
  const settingsOf = settingsFor(asked, process.env)
  const secret = asked.some(({ modules }) => modules.includes(usersModule))
    ? settingsOf(usersModule).CLAIM_CODE
    : undefined
  const secrets = [...(secret === undefined ? [] : [secret]), ...secretsOf(settingsOf(databaseModule))]
  log = createLog(settingsOf(logModule).LOG_LEVEL, { journal, secrets })
  takeOverConsole(log)
  const { runRoles } = await import('./run/roles.ts')
  try {
    await runRoles(asked, settingsOf, { env: process.env, pid: process.pid, log, stop })
  } catch (error) {
    if (!isStop(error, stop)) throw error
  }
  log.info('stopped')
}

/** Says what would keep these roles from working, before anything that works is stopped for them. */
async function check(asked: Role[]): Promise<void> {
  const settingsOf = settingsFor(asked, process.env)
  log = createLog('fatal', { journal, secrets: secretsOf(settingsOf(databaseModule)) })
  const { findFaults } = await import('./run/check.ts')
  const { faults, pending } = await findFaults(asked, settingsOf, log)
  if (faults.length > 0) throw new StartError(...faults)
  if (pending.length > 0) process.stdout.write(`the database is to be changed first: ${pending.join(', ')}\n`)
}

/** Does what the owner of the machine asked for, and tells them. */
async function obey(command: OwnerCommand, words: string[], stop: AbortSignal): Promise<void> {
  const settingsOf = settingsFor([commandRole], process.env)
  log = createLog('error', { journal, secrets: secretsOf(settingsOf(databaseModule)) })
  const { runCommand } = await import('./run/command.ts')
  try {
    process.stdout.write(`${await runCommand(command, words, settingsOf, { log, stop })}\n`)
  } catch (error) {
    process.exitCode = 1
    if (isStop(error, stop)) return
    // For a person, who asked for it: what is set up wrong, or what the file system says.
    if (!(error instanceof StartError) && !(error instanceof Error && 'syscall' in error)) throw error
    process.stderr.write(`${scrub(error.message)}\n`)
  }
}

/** Moves everything to another database, and says what to do then. */
async function moveDatabase(words: string[]): Promise<void> {
  const settingsOf = settingsFor([commandRole], process.env)
  const { addressesIn, moveDatabase } = await import('./run/move.ts')
  const { from, to } = addressesIn(words, settingsOf(databaseModule))
  log = createLog('error', { journal, secrets: [...secretsOf(from), ...secretsOf(to)] })
  process.stdout.write(`${await moveDatabase({ from, to, log })}\n`)
}

/** For a person who asked: what is set up wrong, as lines of text. */
function sayFaults(error: unknown): void {
  if (!(error instanceof StartError)) throw error
  process.exitCode = 1
  for (const fault of error.faults) process.stderr.write(`${scrub(fault)}\n`)
}

async function main(words: string[]): Promise<void> {
  const stop = stopSignal()
  const [first, ...others] = words
  const command = commands.find(({ name }) => name === first)
  if (words.includes('--help')) process.stdout.write(usage)
  else if (command) await obey(command, others, stop)
  else if (first === move.name) await moveDatabase(others).catch(sayFaults)
  else {
    const asked = rolesNamed(words.filter((word) => word !== '--check'))
    if (words.includes('--check')) await check(asked).catch(sayFaults)
    else await run(asked, stop)
  }
}

const journal = process.env.JOURNAL_STREAM !== undefined
let log = createLog('info', { journal })
takeOverConsole(log)
// Node itself would print the error as it is, which may hold the token.
process.on('uncaughtException', (error) => {
  log.fatal({ error }, 'ended by a fault of the program')
  process.exit(1)
})
try {
  await main(process.argv.slice(2))
} catch (error) {
  if (error instanceof StartError) for (const fault of error.faults) log.fatal(fault)
  else if (isDamage(error)) log.fatal({ error }, 'DATABASE_URL: the database is damaged; put back a backup')
  else log.fatal({ error }, 'ended by a fault of the program')
  process.exitCode = 1
}
