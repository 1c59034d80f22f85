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
