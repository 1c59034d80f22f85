import type { Translated } from '../core/catalogue.ts'
import { texts } from './catalogue.ts'
import type { Audience, ClaimTable, Places } from './claims.ts'

/** A call that sets the menu of one language in one kind of chat (core.telegram.org/bots/api#botcommandscope). */
export interface MenuCall {
  commands: { command: string; description: string }[]
  scope: { type: string; chat_id?: number }
  language_code?: string
}

interface Entry {
  name: string
  description: Translated
  audience: Audience
  places: Places
}

/** The menus of all chats, those that most people see first. */
export function menusOf(claims: ClaimTable, administrators: number[]): MenuCall[] {
  const whatItDoes = texts.each(({ whatItDoes }) => whatItDoes)
  const own = ['start', 'help'].map(
    (name): Entry => ({ name, description: whatItDoes, audience: 'everyone', places: 'everywhere' }),
  )
  const entries: Entry[] = [...own, ...claims.commands]
  const common = entries.filter(({ audience }) => audience !== 'administrators')
  const inPrivate = ({ places }: Entry) => places !== 'groups'
  const scopes: [scope: MenuCall['scope'], entries: Entry[]][] = [
    [{ type: 'default' }, common],
    [{ type: 'all_private_chats' }, common.filter(inPrivate)],
    [{ type: 'all_group_chats' }, common.filter(({ places }) => places !== 'private')],
    ...administrators.map((id): [MenuCall['scope'], Entry[]] => [
      { type: 'chat', chat_id: id },
      entries.filter(inPrivate),
    ]),
  ]
  const languages = new Set(entries.flatMap(({ description }) => Object.keys(description)))
  return scopes.flatMap(([scope, entries]) =>
    [...languages].map((language) => ({
      commands: entries.map(({ name, description }) => ({
        command: name,
        description: description[language] ?? description.en,
      })),
      scope,
      // Who has another language sees those without one.
      ...(language !== 'en' && { language_code: language }),
    })),
  )
}
