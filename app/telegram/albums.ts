import type { Message } from 'telegraf/types'

/** Milliseconds for which an album may still grow, or be asked for. */
const openFor = 60_000

/** Albums in memory at the same time. */
const maxAlbums = 200

interface Album {
  since: number
  files: Map<number, Message>
  isAsked: boolean
}

/**
 * Albums of groups. Telegram sends each file as a message, and the caption with one of them: the first of photos, the last
 * of documents. Who asks there means all of them. Kept in memory: the messages of an album come at the same time.
 */
export class Albums {
  readonly #albums = new Map<string, Album>()

  /**
   * Takes a file that someone has sent, and whether its caption asks. Returns what to make links of now: the file
   * itself, and those of its album that came before the caption.
   */
  add(file: Message, isAsked: boolean): Message[] {
    if (!('media_group_id' in file) || !file.media_group_id) return isAsked ? [file] : []
    const key = `${file.chat.id}:${file.from?.id}:${file.media_group_id}`
    const album = this.#albums.get(key) ?? { since: performance.now(), files: new Map(), isAsked: false }
    album.files.set(file.message_id, file)
    album.isAsked ||= isAsked
    this.#albums.set(key, album)
    this.#forget()
    if (isAsked) return [...album.files.values()]
    return album.isAsked ? [file] : []
  }

  #forget(): void {
    for (const [key, { since }] of this.#albums) {
      if (this.#albums.size <= maxAlbums && performance.now() - since < openFor) return
      this.#albums.delete(key)
    }
  }
}
