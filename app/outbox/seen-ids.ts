/** Ids that are remembered of all private chats together, and of one group. */
const maxIds = { private: 5000, group: 300 }

/** Groups of which ids are remembered. */
const maxGroups = 2000

interface Sequence {
  last: number
  /** Of what others have written. */
  heard: Set<number>
}

/** Telegram's ids of messages that were met since the start: a group counts its own, private chats share one sequence. */
export class SeenIds {
  readonly #sequences = new Map<number, Sequence>()

  /** The newest id that is in use in the sequence of a chat; 0 when none is known. */
  last(chatId: number): number {
    return this.#sequences.get(Math.min(chatId, 0))?.last ?? 0
  }

  /** What others have written in the sequence of a chat. */
  heardIn(chatId: number): Iterable<number> {
    return this.#sequences.get(Math.min(chatId, 0))?.heard ?? []
  }

  /** Someone else's message has this id. */
  heard(chatId: number, id: number): void {
    const { heard } = this.seen(chatId, id)
    heard.add(id)
    if (heard.size > (chatId > 0 ? maxIds.private : maxIds.group))
      heard.delete(Number(heard.values().next().value))
  }

  seen(chatId: number, id: number): Sequence {
    const of = Math.min(chatId, 0)
    const { last, heard } = this.#sequences.get(of) ?? { last: 0, heard: new Set() }
    const sequence = { last: Math.max(last, id), heard }
    // The one that was met last is forgotten last.
    this.#sequences.delete(of)
    this.#sequences.set(of, sequence)
    if (this.#sequences.size > maxGroups) this.#sequences.delete(Number(this.#sequences.keys().next().value))
    return sequence
  }
}
