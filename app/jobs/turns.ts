/** The oldest job that a user may have done now, of the kinds of a lane. */
export interface Waiting extends Record<string, unknown> {
  user_id: number
  id: number
  /** Since when it was this job's turn under the rate limits (`monotonicNow`). */
  since: number | null
  kind: null
}

/** That another process has begun a job of a user. */
export interface Served extends Record<string, unknown> {
  user_id: number
  /** Of the event: they come in this order. */
  id: number
  kind: string
}

/** The newest of all events. */
export interface Last extends Record<string, unknown> {
  user_id: null
  id: number | null
  kind: null
}

/** Users remembered; who is forgotten is served by the age of the job, once. */
const maxUsers = 10_000

/**
 * Users take turns: served next is who has waited longest, since the job came or since the user was last served. A
 * user with hundreds of jobs is behind everyone else after each of them; a newcomer is behind those who waited before;
 * and jobs that wait for their time have no say in it.
 */
export class Turns {
  /** By kind and user, the last time that one of the jobs began or ended. */
  readonly #served = new Map<string, number>()
  #last = 0

  next(kinds: string[], waiting: Waiting[]): Waiting | undefined {
    const since = new Map(waiting.map((job) => [job, this.#since(kinds, job)]))
    const order = (one: Waiting, other: Waiting) =>
      Number(since.get(one)) - Number(since.get(other)) || one.id - other.id
    return waiting.reduce<Waiting | undefined>(
      (first, job) => (first === undefined || order(job, first) < 0 ? job : first),
      undefined,
    )
  }

  served(kind: string, userId: number): void {
    // Fractions of a millisecond, and never the same twice: of many served within one, each has a place.
    this.#last = Math.max(this.#last + 0.001, performance.timeOrigin + performance.now())
    const key = `${kind} ${userId}`
    this.#served.delete(key)
    this.#served.set(key, this.#last)
    if (this.#served.size > maxUsers) this.#served.delete(this.#served.keys().next().value as string)
  }

  #since(kinds: string[], { user_id, since }: Waiting): number {
    const served = kinds.map((kind) => this.#served.get(`${kind} ${user_id}`) ?? 0)
    return Math.max(Number(since), ...served)
  }
}
