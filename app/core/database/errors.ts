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

const outside = [
  'SQLITE_FULL',
  'SQLITE_BUSY',
  'SQLITE_LOCKED',
  'SQLITE_IOERR',
  'SQLITE_READONLY',
  'SQLITE_CANTOPEN',
]

/** Whether a statement failed by the state of the disk or by another writer: the same may work later. */
export function isDatabaseDown(error: unknown): boolean {
  return outside.includes(sqliteCode(error) ?? '')
}

/** Whether a statement met what is no database any more: a bad disk, or a program that wrote into the file. */
export function isDamage(error: unknown): boolean {
  return ['SQLITE_CORRUPT', 'SQLITE_NOTADB'].includes(sqliteCode(error) ?? '')
}

export function isFull(error: unknown): boolean {
  return sqliteCode(error) === 'SQLITE_FULL'
}

/** Told without Sequelize's classes: whoever asks need not load it. It keeps what the driver threw as `original`. */
export function sqliteCode(error: unknown): string | undefined {
  return codeOf(error instanceof Error && 'original' in error ? error.original : error)
}
