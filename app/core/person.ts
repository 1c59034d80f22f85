import type { Database } from './database/database.ts'
import type { Log } from './log.ts'

export interface PersonContext {
  database: Database
  log: Log
  /**
   * Removes the bytes under these UUIDs for good, from the quarantine too. Another link's name for the same bytes stays.
   * @throws StartError when the store is not there
   */
  removeFiles(uuids: string[]): Promise<void>
}

/** What was done, as words that go on "Removed: ". */
export interface Erased {
  removed: string[]
  /** What has to be removed later, and when; a sentence each. */
  left?: string[]
}

/** What a module or a feature keeps of a person, whom Telegram's id names. */
export interface Person<C extends PersonContext = PersonContext> {
  /** All of it, as JSON can hold it. */
  export(context: C, userId: number): Promise<unknown>
  /**
   * Removes it. May be repeated, also after a crash in the middle. What refers to the rows of others is asked before
   * them: features before modules.
   */
  erase(context: C, userId: number): Promise<Erased>
}
