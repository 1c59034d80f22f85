import type { Message, Update } from 'telegraf/types'
import type { Place } from '../core/bot-api.ts'
import type { Log } from '../core/log.ts'
import { askedOf, type Names, writerOf } from './addressing.ts'
import { Albums } from './albums.ts'
import { type Access, Answering, joined, unless } from './answering.ts'
import type { Plan } from './attempts.ts'
import { texts } from './catalogue.ts'
import type { ClaimTable, Command } from './claims.ts'
import { type FoundFile, type HeardMessage, heardOf, languageOf, urlsIn } from './heard.ts'
import { givesStartCode } from './start-code.ts'

interface Parts {
  claims: ClaimTable
  users: Access
  /** The bot's own, without the @. */
  username: string
  post: (message: Place & { text: string }) => Promise<unknown>
  /** Answers the press of a button, after the caller's transaction. */
  answerPress: (id: string, text: string) => void
  log: Log
}

type Authored = Message & { from: NonNullable<Message['from']> }

const nothing: Plan = { write: async () => {} }

/** What is neither text nor file, such as a pinned message, needs no answer. */
const words = 'text sticker location contact poll dice story game paid_media checklist'.split(' ')

/**
 * Finds who handles an update, and answers what nobody claims. In a private chat everything that a person says gets an
 * answer; in a group people talk to each other, and the bot is silent until someone asks it.
 */
export class Dispatcher {
  readonly #parts: Parts
  readonly #answering: Answering
  readonly #names: Names
  readonly #albums = new Albums()

  constructor(parts: Parts) {
    this.#parts = parts
    this.#answering = new Answering(parts)
    const bare = parts.claims.commands.filter(({ isHeardBare }) => isHeardBare).map(({ name }) => name)
    this.#names = { username: parts.username, bare: new Set(bare) }
  }

  /** Says how to handle an update; waits for nothing. */
  plan(update: Update): Plan {
    if ('callback_query' in update) return this.#planPress(update)
    if (!('message' in update)) return nothing
    const { message } = update
    const writer = writerOf(message)
    if (!isAuthored(message) || writer === 'machine') return nothing
    const heard = heardOf(message, this.#names, givesStartCode(update))
    if (heard.isPrivate) return writer === 'person' ? this.#planPrivate(message, heard) : nothing
    return this.#planGroup(message, heard, writer === 'person')
  }

  /** Whether who wrote a message expects an answer to it. */
  expectsAnswer(message: Message): boolean {
    const isHeard = message.chat.type === 'private' || askedOf(message, this.#names).isForUs
    return isHeard && writerOf(message) === 'person'
  }

  #planPrivate(message: Authored, heard: HeardMessage): Plan {
    const { claims } = this.#parts
    const { command, file, startParameter } = heard
    if (file && claims.files) return this.#planFile(heard, file)
    if (askedOf(message, this.#names).isForAnother) return nothing
    const start = startParameter === undefined ? undefined : claims.start(startParameter)
    if (start) return this.#answering.plan(start, heard, heard)
    const claimed = claims.command(command, true)
    if (claimed) return this.#planCommand(heard, claimed)
    if (command === 'start' || command === 'help') return this.#planHelp(heard)
    const links = command === undefined ? this.#planLinks(heard) : undefined
    if (links) return links
    if (command === undefined && claims.text && 'text' in message)
      return this.#answering.plan(claims.text, heard, heard)
    if (!words.some((kind) => kind in message)) return nothing
    return this.#planAnswer(heard, async () => this.#fallback(heard))
  }

  #planGroup(message: Authored, heard: HeardMessage, isPerson: boolean): Plan {
    const { claims } = this.#parts
    const { command, isForUs, answeredFile } = heard
    const files = heard.file && claims.files && isPerson ? this.#albums.add(message, isForUs) : []
    if (files.length > 0) return joined(files.map((file) => this.#planOwnFile(file)))
    if (!isForUs) return nothing
    // Limits, quotas and the list of who may use the bot go by persons.
    if (!isPerson) {
      const { anonymous } = texts.in(heard.language)
      return { write: () => this.#answering.say(heard, anonymous, heard.place.chatId) }
    }
    const claimed = claims.command(command, false)
    if (claimed) return this.#planCommand(heard, claimed)
    if (answeredFile && claims.files) return this.#planFile(heard, answeredFile)
    const links = command === undefined ? this.#planLinks(heard) : undefined
    if (links) return links
    const isHelp = command === undefined || command === 'start' || command === 'help'
    const answer = async () => (isHelp ? await this.#help(heard) : this.#fallback(heard))
    return { write: async () => await this.#answering.say(heard, await answer()) }
  }

  #planOwnFile(message: Message): Plan {
    const heard = isAuthored(message) ? heardOf(message, this.#names, false) : undefined
    return heard?.file ? this.#planFile(heard, heard.file) : nothing
  }

  #planFile(message: HeardMessage, found: FoundFile): Plan {
    const { files } = this.#parts.claims
    return files ? this.#answering.plan(files, { message, ...found }, message) : nothing
  }

  #planLinks(message: HeardMessage): Plan | undefined {
    const all = urlsIn(message)
    for (const claim of this.#parts.claims.links) {
      const urls = all.filter((url) => claim.matches(url))
      if (urls.length > 0) return this.#answering.plan(claim, { message, urls }, message)
    }
    return undefined
  }

  /** A command for a few is unknown to all others. */
  #planCommand(heard: HeardMessage, command: Command): Plan {
    const { audience } = command
    const plan = this.#answering.plan(command, heard, heard, audience)
    if (audience !== 'administrators') return plan
    const unknown = () => this.#answering.say(heard, this.#fallback(heard))
    return unless(plan, async () =>
      (await this.#answering.isFor(audience, heard.userId)) ? undefined : unknown,
    )
  }

  /** Of a start link, who claims any kind is asked first whether it is theirs. */
  #planHelp(heard: HeardMessage): Plan {
    const { anyStart } = this.#parts.claims
    const plan = this.#planAnswer(heard, () => this.#help(heard))
    if (!anyStart || heard.startParameter === undefined) return plan
    const start = async () => await this.#answering.say(heard, await anyStart.handle(heard))
    return unless(plan, async () => ((await anyStart.matches(heard)) ? start : undefined))
  }

  /** Strangers hear that they are, whatever they have said. */
  #planAnswer(heard: HeardMessage, handle: () => Promise<string | undefined>): Plan {
    return this.#answering.plan({ handle }, heard, heard)
  }

  #planPress({ callback_query: press }: Update.CallbackQueryUpdate): Plan {
    const { from, id } = press
    const data = 'data' in press ? press.data : ''
    const claim = this.#parts.claims.callback(data)
    const language = languageOf(from)
    // Until a press is answered, Telegram shows that something goes on.
    const say = async (text = texts.in(language).noUse) => this.#parts.answerPress(id, text)
    if (!claim) return { write: say }
    const what = { userId: from.id, data: data.slice(claim.prefix.length), language }
    return this.#answering.planWith(claim, what, what, say)
  }

  async #help({ userId, isPrivate, language }: HeardMessage): Promise<string | undefined> {
    const lines: string[] = []
    for (const { places, audience, text } of this.#parts.claims.help) {
      if ((places === 'private') !== isPrivate) continue
      // In a group it is for everyone to read.
      const isTheirs = isPrivate
        ? await this.#answering.isFor(audience, userId)
        : audience !== 'administrators'
      if (isTheirs) lines.push(text(language, `@${this.#parts.username}`))
    }
    return lines.length > 0 ? lines.join('\n\n') : undefined
  }

  /** The answer to words that nobody claims. */
  #fallback({ command, isPrivate, language }: HeardMessage): string {
    const { notAFile, unknownCommand } = texts.in(language)
    if (command === undefined) return notAFile
    return unknownCommand(command, isPrivate ? undefined : `@${this.#parts.username}`)
  }
}

function isAuthored(message: Message): message is Authored {
  return message.from !== undefined
}
