import type { Translated } from '../core/catalogue.ts'
import { StartError } from '../core/errors.ts'
import type { FileRequest, HeardMessage, LinkRequest, Press } from './heard.ts'

/** For whom something is: who may use the bot, or everyone, or those alone who look after its server. */
export type Audience = 'everyone' | 'allowed' | 'administrators'

export type Places = 'everywhere' | 'private' | 'groups'

/** What to answer, if anything. */
export type Answer = Promise<string | undefined>

/**
 * How something is handled. `handle` runs in the transaction that marks the update as handled, and waits for nothing but
 * the database: nobody else writes meanwhile. What has to wait for more is `prepare`d before; it writes nothing, may
 * happen again, and only its chat waits for it. It returns what to do in the transaction.
 */
export type Handling<T> =
  | { handle(what: T): Answer }
  | { prepare(what: T, signal: AbortSignal): Promise<() => Answer> }

/** Somebody who may not use the bot. */
export interface Stranger {
  /** Whether there is nobody yet whom they could ask. */
  isOwnerless: boolean
  /** What they are told otherwise. */
  usual: string
}

/** Something that a feature handles for those who may use the bot. */
export type Claim<T> = Handling<T> & {
  /** What others are told of it in place of the usual sentence. Runs in the transaction. */
  refuse?(what: T, stranger: Stranger): Answer
}

export type Command = Claim<HeardMessage> & {
  /** Without the slash, in lower case. */
  name: string
  /** For Telegram's menu. */
  description: Translated
  audience: Audience
  places: Places
  /** In groups it is heard without the bot's name as well, so it should be a word that few other bots know. */
  isHeardBare?: true
}

/** A paragraph of /help. */
export interface HelpLine {
  audience: Audience
  places: Exclude<Places, 'everywhere'>
  /** @param mention the bot's own */
  text(language: string | undefined, mention: string): string
}

/** What a feature handles besides its commands. Of files and of mere text there is one claimant at most. */
export interface Claims {
  /** Files that are sent to the bot, in a group also those that are answered by its name. */
  files?: Claim<FileRequest>
  /** Texts with addresses that match, where no command stands before them. */
  links?: Claim<LinkRequest> & { matches(url: URL): boolean }
  /** What people say in a private chat. */
  text?: Claim<HeardMessage>
  /** Presses of buttons whose data begin with a prefix. */
  callbacks?: (Claim<Press> & { prefix: string })[]
  /** Start links whose parameters begin with a prefix. */
  starts?: (Claim<HeardMessage> & { prefix: string })[]
  /** Whatever other start link it says is its own; strangers' as well. Of one feature. */
  anyStart?: { matches(message: HeardMessage): Promise<boolean>; handle(message: HeardMessage): Answer }
}

/** What a feature declares to the dispatcher. */
export interface Declared {
  feature: string
  commands?: Command[]
  claims?: Claims
  help?: HelpLine[]
}

/** The dispatcher's own; see its `help`. */
const ownCommands = ['start', 'help']

/** Who handles what, whatever the order in which the features declare it. */
export class ClaimTable {
  readonly commands: Command[]
  readonly help: HelpLine[]
  readonly files: Claims['files']
  readonly links: NonNullable<Claims['links']>[]
  readonly text: Claims['text']
  readonly anyStart: Claims['anyStart']
  readonly #callbacks: NonNullable<Claims['callbacks']>
  readonly #starts: NonNullable<Claims['starts']>

  /** @throws StartError when two claim the same */
  constructor(declared: Declared[]) {
    const all = declared.toSorted((one, other) => (one.feature < other.feature ? -1 : 1))
    const claimants = (pick: (claims: Claims) => unknown) =>
      all.filter(({ claims = {} }) => pick(claims)).map(({ feature }) => feature)
    const prefixes = (kind: 'callbacks' | 'starts') =>
      all.flatMap(({ feature, claims }) =>
        (claims?.[kind] ?? []).map(({ prefix }) => [feature, prefix] as const),
      )
    unique(
      'the command /',
      all.flatMap(({ feature, commands = [] }) => commands.map(({ name }) => [feature, name] as const)),
    )
    apart('buttons with ', prefixes('callbacks'))
    apart('start links with ', prefixes('starts'))
    single(
      'files',
      claimants(({ files }) => files),
    )
    single(
      'mere text',
      claimants(({ text }) => text),
    )
    single(
      'start links of any kind',
      claimants(({ anyStart }) => anyStart),
    )

    const each = <T>(pick: (claims: Claims) => T | undefined) =>
      all.flatMap(({ claims = {} }) => pick(claims) ?? [])
    this.commands = all
      .flatMap(({ commands = [] }) => commands)
      .toSorted((one, other) => (one.name < other.name ? -1 : 1))
    this.help = all.flatMap(({ help = [] }) => help)
    this.files = each(({ files }) => files)[0]
    this.links = each(({ links }) => links)
    this.text = each(({ text }) => text)[0]
    this.anyStart = each(({ anyStart }) => anyStart)[0]
    this.#callbacks = each(({ callbacks }) => callbacks).flat()
    this.#starts = each(({ starts }) => starts).flat()
  }

  /** A command of this name, if a feature has one in such a chat. */
  command(name: string | undefined, isPrivate: boolean): Command | undefined {
    const elsewhere = isPrivate ? 'groups' : 'private'
    return this.commands.find((command) => command.name === name && command.places !== elsewhere)
  }

  callback(data: string) {
    return this.#callbacks.find(({ prefix }) => data.startsWith(prefix))
  }

  start(parameter: string) {
    return this.#starts.find(({ prefix }) => parameter.startsWith(prefix))
  }
}

type Named = readonly [feature: string, what: string]

function unique(kind: string, claims: Named[]): void {
  const known = new Map(ownCommands.map((name) => [name, 'the bot itself']))
  for (const [feature, name] of claims) {
    const other = known.get(name)
    if (other !== undefined) throw new StartError(`${other} and ${feature} both claim ${kind}${name}`)
    known.set(name, feature)
  }
}

/** Where one prefix begins with another, both would claim the same. */
function apart(kind: string, prefixes: Named[]): void {
  for (const [at, [feature, prefix]] of prefixes.entries()) {
    for (const [other, second] of prefixes.slice(at + 1)) {
      if (prefix.startsWith(second) || second.startsWith(prefix))
        throw new StartError(`${feature} and ${other} both claim ${kind}“${prefix}”`)
    }
  }
}

function single(what: string, [one, other]: string[]): void {
  if (other !== undefined) throw new StartError(`${one} and ${other} both claim ${what}`)
}
