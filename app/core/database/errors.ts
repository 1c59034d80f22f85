import { codeOf, StartError } from '../errors.ts'

/** Another program holds the database: the same start may work in a moment. */
export class DatabaseLocked extends StartError {
  override name = 'DatabaseLocked'
}

/** The database is there and takes no writes, as on a full disk: it will when the owner of the machine has seen to that. */
export class DatabaseUnwritable extends StartError {
  override name = 'DatabaseUnwritable'
  /** For people, without a path; ends a sentence about the database. */
  readonly reason: string

  constructor(fault: string, reason: string) {
    super(fault)
    this.reason = reason
  }
}

/** The server of the database is not there: the same start may work in a moment. */
export class DatabaseAway extends StartError {
  override name = 'DatabaseAway'
}

const outside = [
  'SQLITE_FULL',
  'SQLITE_BUSY',
  'SQLITE_LOCKED',
  'SQLITE_IOERR',
  'SQLITE_READONLY',
  'SQLITE_CANTOPEN',
]

// postgresql.org/docs/current/errcodes-appendix.html: out of resources (53), ended or starting (57P), read-only (25006),
// a lock that was not had in time (55P03), a transaction that stood still (25P03), an input or output error (58030).
const outsidePostgres = /^(53...|57P..|25006|25P03|55P03|58030)$/

/** Whether a statement failed by the state of the disk, the server or another writer: the same may work later. */
export function isDatabaseDown(error: unknown): boolean {
  const code = driverCode(error) ?? ''
  return outside.includes(code) || outsidePostgres.test(code) || isCutOff(error)
}

const network = [
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
]

/** Whether a statement did not reach the server, or its answer did not come back. */
export function isCutOff(error: unknown): boolean {
  const thrown = driverError(error)
  const code = codeOf(thrown) ?? ''
  if (network.includes(code) || code.startsWith('08')) return true
  // A socket of another machine's kind is a file, and the driver's own words for a cut have no code.
  if (thrown instanceof Error && 'syscall' in thrown && thrown.syscall === 'connect') return true
  if (error instanceof Error && /^SequelizeConnection(TimedOut|AcquireTimeout)Error$/.test(error.name))
    return true
  return thrown instanceof Error && cut.test(thrown.message)
}

const cut =
  /^(Connection terminated|Client has encountered a connection error|timeout (expired|exceeded when trying to connect)|Client was closed)/

/** Whether a statement met what is no database any more: a bad disk, or a program that wrote into the file. */
export function isDamage(error: unknown): boolean {
  return ['SQLITE_CORRUPT', 'SQLITE_NOTADB', 'XX001', 'XX002'].includes(driverCode(error) ?? '')
}

export function isFull(error: unknown): boolean {
  return ['SQLITE_FULL', '53100'].includes(driverCode(error) ?? '')
}

/** `SQLITE_FULL`, or PostgreSQL's five characters. */
export function driverCode(error: unknown): string | undefined {
  return codeOf(driverError(error))
}

/** Told without Sequelize's classes: whoever asks need not load it. It keeps what the driver threw as `original`. */
function driverError(error: unknown): unknown {
  return error instanceof Error && 'original' in error ? error.original : error
}
