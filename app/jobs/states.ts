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

/** The statuses of a job that has not ended, for SQL; written as in the indexes, or SQLite does not use them. */
export const active = `('PENDING', 'QUEUED', 'RUNNING')`
