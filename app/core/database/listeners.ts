/** Who is told of what others wrote, by the name of a channel. */
export class Listeners {
  readonly #listeners = new Map<string, Set<() => void>>()

  /** Disposing of what it returns ends it. */
  add(channel: string, listener: () => void): Disposable {
    const all = this.#listeners.get(channel) ?? new Set()
    this.#listeners.set(channel, all.add(listener))
    return { [Symbol.dispose]: () => void all.delete(listener) }
  }

  tell(channel: string): void {
    for (const listener of this.#listeners.get(channel) ?? []) listener()
  }

  tellAll(): void {
    for (const channel of this.#listeners.keys()) this.tell(channel)
  }

  get channels(): string[] {
    return [...this.#listeners.keys()]
  }
}
