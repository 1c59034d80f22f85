export const statuses = ['PENDING', 'QUEUED', 'RUNNING', 'COMPLETED', 'FAILED'] as const
export type Status = (typeof statuses)[number]

/** The moves a job may make; RUNNING → QUEUED is a retry. */
const moves: Record<Status, readonly Status[]> = {
  PENDING: ['QUEUED', 'FAILED'],
  QUEUED: ['RUNNING', 'FAILED'],
  RUNNING: ['COMPLETED', 'FAILED', 'QUEUED'],
  COMPLETED: [],
  FAILED: [],
}

export function mayMove(from: Status, to: Status): boolean {
  return moves[from].includes(to)
}

/** What accompanies a move: kept in its event, and partly in the row. */
export interface Move {
  reason?: string
  errorType?: string
  errorMessage?: string
  /** The moment (`monotonicNow`) before which a queued job is not begun again. */
  dueAt?: number
  /** By default true: false of a move that is not the job's fault, which gives the attempt back. */
  countsAsAttempt?: boolean
  /** Counts the move as a deferral. */
  deferred?: boolean
  /** Counts the move as a crash. */
  crashed?: boolean
  /** What the job is from now on, with the bytes of disk that it is promised. */
  as?: { kind: string; size: number }
}

// For SQL, and written as in the indexes: SQLite knows a partial index by the very same words only.

/** The statuses of a job that has not ended. */
export const active = `('PENDING', 'QUEUED', 'RUNNING')`

/** The statuses of a job that has ended. */
export const ended = `('COMPLETED', 'FAILED')`
