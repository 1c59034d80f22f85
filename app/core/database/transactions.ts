import { AsyncLocalStorage } from 'node:async_hooks'
import { Sequelize, type Transaction } from 'sequelize'

// Sequelize asks this namespace for the current transaction, so that a query inside one cannot miss it.
const current = new AsyncLocalStorage<Map<string, unknown>>()
Sequelize.useCLS({
  get: (key: string) => current.getStore()?.get(key),
  set: (key: string, value: unknown) => current.getStore()?.set(key, value),
  run: (work: (context: object) => void) => current.run(new Map(current.getStore()), () => work({})),
  bind: (work: object) => work,
} as unknown as Parameters<typeof Sequelize.useCLS>[0])

/** The transactions of one database, which whatever is called inside joins without being told. */
export class Transactions {
  readonly #sequelize: Sequelize
  /** Sequelize's own hooks run after a COMMIT that failed as well. */
  readonly #afterwards = new WeakMap<Transaction, (() => void)[]>()

  constructor(sequelize: Sequelize) {
    this.#sequelize = sequelize
  }

  /** The one of this database that the caller is inside of; Sequelize itself would take another database's as well. */
  get running(): Transaction | undefined {
    // Sequelize puts null in the place of one that has ended.
    const found = current.getStore()?.get('transaction') as
      | (Transaction & { sequelize: Sequelize })
      | null
      | undefined
    return found?.sequelize === this.#sequelize ? found : undefined
  }

  /** @param begin runs an attempt when it may begin, and again when it is to be repeated */
  async run<T>(work: () => Promise<T>, begin: (attempt: () => Promise<T>) => Promise<T>): Promise<T> {
    if (this.running) return await work()
    let actions: (() => void)[] = []
    const attempt = (running: Transaction) => {
      actions = []
      this.#afterwards.set(running, actions)
      return work()
    }
    const result = await begin(() => this.#sequelize.transaction(attempt))
    for (const action of actions) action()
    return result
  }

  /** Runs `action` when the caller's transaction has committed, never if it fails, or at once when there is none. */
  afterCommit(action: () => void): void {
    const { running } = this
    const actions = running && this.#afterwards.get(running)
    if (actions) actions.push(action)
    else action()
  }
}
