import test from 'ava'
import { pino } from 'pino'
import type { Update } from 'telegraf/types'
import type { Access } from '../../app/telegram/answering.ts'
import { ClaimTable, type Declared } from '../../app/telegram/claims.ts'
import { Dispatcher } from '../../app/telegram/dispatcher.ts'
import { menusOf } from '../../app/telegram/menu.ts'

const [owner, friend, stranger] = [1, 2, 3]

const users: Access = {
  mayUse: async (id) => id !== stranger,
  isOwnerless: async () => false,
  administrators: async () => [owner],
}

/** A feature that says which of its claims it was asked by. */
const says = (what: string) => ({ handle: async () => what })

const features: Declared[] = [
  {
    feature: 'files',
    commands: [
      {
        name: 'link',
        description: { en: 'Makes a link', de: 'Macht einen Link' },
        audience: 'allowed',
        places: 'everywhere',
        isHeardBare: true,
        ...says('/link'),
      },
    ],
    claims: {
      files: { handle: async ({ file }) => `file ${file.name}` },
      callbacks: [{ prefix: 'retry:', handle: async ({ data }) => `retry of ${data}` }],
    },
    help: [
      { audience: 'allowed', places: 'private', text: () => 'Send a file.' },
      { audience: 'allowed', places: 'groups', text: (_language, mention) => `Call ${mention}.` },
    ],
  },
  {
    feature: 'owner',
    commands: [
      {
        name: 'ban',
        description: { en: 'Shuts someone out' },
        audience: 'administrators',
        places: 'private',
        ...says('/ban'),
      },
    ],
    claims: { anyStart: { matches: async ({ userId }) => userId === stranger, ...says('a claim') } },
    help: [{ audience: 'administrators', places: 'private', text: () => 'Ban whom you want.' }],
  },
  {
    feature: 'videos',
    claims: {
      links: { matches: ({ host }) => host === 'video.example', handle: async ({ urls }) => `video ${urls}` },
      starts: [{ prefix: 'video_', ...says('a start link for videos') }],
    },
  },
  {
    feature: 'zebra',
    commands: [
      { name: 'ask', description: { en: 'Asks' }, audience: 'everyone', places: 'groups', ...says('/ask') },
    ],
    claims: { text: { handle: async ({ text }) => `you said ${text}` } },
  },
]

/** Handles updates and gathers the answers. */
function open(declared: Declared[]) {
  const answers: string[] = []
  const dispatcher = new Dispatcher({
    claims: new ClaimTable(declared),
    users,
    username: 'depot_bot',
    post: async ({ text }) => answers.push(text),
    answerPress: (_id, text) => answers.push(text),
    log: pino({ level: 'silent' }),
  })
  return async (update: Update): Promise<string[]> => {
    const plan = dispatcher.plan(update)
    const write = 'write' in plan ? plan.write : await plan.prepare(new AbortController().signal)
    await write()
    return answers.splice(0)
  }
}

let lastMessage = 0

function messageOf(content: object, from: number, chat: object): Update {
  const message = {
    message_id: ++lastMessage,
    date: 1,
    from: { id: from, is_bot: false, first_name: 'A' },
    chat,
  }
  return { update_id: lastMessage, message: { ...message, ...content } } as Update
}

function textOf(text: string): object {
  const command = /^\/\S+/.exec(text)?.[0]
  const mention = text.indexOf('@depot_bot')
  const url = /https?:\S+|video\.example\S*/.exec(text)
  const entities = [
    ...(command ? [{ type: 'bot_command', offset: 0, length: command.length }] : []),
    ...(mention > 0 && !command ? [{ type: 'mention', offset: mention, length: 10 }] : []),
    ...(url ? [{ type: 'url', offset: url.index, length: url[0].length }] : []),
  ]
  return { text, entities }
}

const document = { file_id: 'f', file_unique_id: 'u', file_name: 'a.pdf' }
const inPrivate = (content: object, from = friend) =>
  messageOf(content, from, { id: from, type: 'private', first_name: 'A' })
const inGroup = (content: object, from = friend) =>
  messageOf(content, from, { id: -5, type: 'group', title: 'Friends' })
const press = (data: string, from = friend): Update =>
  ({ update_id: 1, callback_query: { id: '1', from: { id: from }, chat_instance: '', data } }) as Update

const private1 = 'This bot is private. To use it, ask its owner to allow your id: <code>3</code>'

const cases: [title: string, update: Update, answers: string[]][] = [
  ['a command', inPrivate(textOf('/link')), ['/link']],
  ['a command of a stranger', inPrivate(textOf('/link'), stranger), [private1]],
  ['a command for administrators', inPrivate(textOf('/ban'), owner), ['/ban']],
  [
    'the same of someone else',
    inPrivate(textOf('/ban')),
    ["I don't know <code>/ban</code>. /help lists what I can do."],
  ],
  [
    'a command of groups in a private chat',
    inPrivate(textOf('/ask')),
    ["I don't know <code>/ask</code>. /help lists what I can do."],
  ],
  ['a command for everyone', inGroup(textOf('/ask@depot_bot'), stranger), ['/ask']],
  ['a bare command that nobody asks the bot by', inGroup(textOf('/ask')), []],
  ['a command for another bot', inPrivate(textOf('/link@other_bot')), []],
  ['a file', inPrivate({ document, caption: '/link' }), ['file a.pdf']],
  ['a file of a stranger', inPrivate({ document }, stranger), [private1]],
  ['a file in a group', inGroup({ document }), []],
  [
    'a file in a group that is called by name',
    inGroup({ ...textOf('please @depot_bot'), reply_to_message: { message_id: 1, date: 1, document } }),
    ['file a.pdf'],
  ],
  ['an address', inPrivate(textOf('see video.example/1')), ['video https://video.example/1']],
  [
    'another address',
    inPrivate(textOf('see https://other.example/1')),
    ['you said see https://other.example/1'],
  ],
  ['words', inPrivate(textOf('hello')), ['you said hello']],
  [
    'what is neither words nor file',
    inPrivate({ sticker: {} }),
    ['That is not a file: send me a document, video, audio or photo, and I answer with a link. /help'],
  ],
  ['a pinned message', inPrivate({ pinned_message: {} }), []],
  ['a press', press('retry:7'), ['retry of 7']],
  ['a press of a stranger', press('retry:7', stranger), [private1]],
  ['a press that nobody knows', press('old:1'), ['This button has no use any more.']],
  ['a start link with a prefix', inPrivate(textOf('/start video_7')), ['a start link for videos']],
  ['a start link of any kind', inPrivate(textOf('/start else'), stranger), ['a claim']],
  ['one that is nobody’s', inPrivate(textOf('/start else')), ['Send a file.']],
  ['/help', inPrivate(textOf('/help')), ['Send a file.']],
  ['/help of an administrator', inPrivate(textOf('/help'), owner), ['Send a file.\n\nBan whom you want.']],
  ['/help in a group', inGroup(textOf('/help@depot_bot')), ['Call @depot_bot.']],
  ['a pat on the back in a group', inGroup(textOf('good @depot_bot')), ['Call @depot_bot.']],
]

for (const [title, update, answers] of cases) {
  test(`${title} has one answer, in whatever order features are listed`, async (t) => {
    t.deepEqual(await open(features)(update), answers)
    t.deepEqual(await open(features.toReversed())(update), answers)
  })
}

const command = (name: string) => ({
  name,
  description: { en: 'x' },
  audience: 'allowed' as const,
  places: 'private' as const,
  ...says('x'),
})

const conflicts: [
  first: Declared['claims' | 'commands'],
  second: Declared['claims' | 'commands'],
  says: string,
][] = [
  [[command('go')], [command('go')], 'one and two both claim the command /go'],
  [[command('go')], [command('help')], 'the bot itself and two both claim the command /help'],
  [
    { callbacks: [{ prefix: 're', ...says('x') }] },
    { callbacks: [{ prefix: 'retry:', ...says('x') }] },
    'one and two both claim buttons with “re”',
  ],
  [
    { starts: [{ prefix: 'a_', ...says('x') }] },
    { starts: [{ prefix: 'a_', ...says('x') }] },
    'one and two both claim start links with “a_”',
  ],
  [{ files: says('x') }, { files: says('x') }, 'one and two both claim files'],
  [{ text: says('x') }, { text: says('x') }, 'one and two both claim mere text'],
]

for (const [first, second, message] of conflicts) {
  test(`${message}: that stops the start`, (t) => {
    const declared = [first, second].map((own, at) => ({
      feature: ['one', 'two'][at] ?? '',
      ...(Array.isArray(own) ? { commands: own } : { claims: own ?? {} }),
    }))
    t.throws(() => new ClaimTable(declared), { name: 'StartError', message })
    t.throws(() => new ClaimTable(declared.toReversed()), { name: 'StartError', message })
  })
}

test('the menus show each chat what it can use, in each language that a command has', (t) => {
  const menus = menusOf(new ClaimTable(features), [owner]).map(({ commands, scope, language_code }) => [
    scope.type,
    scope.chat_id,
    language_code,
    commands.map(({ command, description }) => `${command} ${description}`).slice(2),
  ])
  t.deepEqual(menus, [
    ['default', undefined, undefined, ['ask Asks', 'link Makes a link']],
    ['default', undefined, 'de', ['ask Asks', 'link Macht einen Link']],
    ['all_private_chats', undefined, undefined, ['link Makes a link']],
    ['all_private_chats', undefined, 'de', ['link Macht einen Link']],
    ['all_group_chats', undefined, undefined, ['ask Asks', 'link Makes a link']],
    ['all_group_chats', undefined, 'de', ['ask Asks', 'link Macht einen Link']],
    ['chat', owner, undefined, ['ban Shuts someone out', 'link Makes a link']],
    ['chat', owner, 'de', ['ban Shuts someone out', 'link Macht einen Link']],
  ])
})

test('nothing is prepared for a stranger, and what is prepared is answered in the transaction', async (t) => {
  const prepared: string[] = []
  const claims = {
    text: {
      prepare: async ({ text }: { text: string }) => {
        prepared.push(text)
        return async () => `${text}, done`
      },
    },
  }
  const handle = open([{ feature: 'slow', claims }])
  t.deepEqual(await handle(inPrivate(textOf('hello'))), ['hello, done'])
  t.deepEqual(await handle(inPrivate(textOf('hello'), stranger)), [private1])
  t.deepEqual(prepared, ['hello'])
})

test('who writes on and on gets twenty answers a minute, others theirs', async (t) => {
  const handle = open(features)
  const answers: string[] = []
  for (let n = 0; n < 25; n++) answers.push(...(await handle(inPrivate(textOf('hello')))))
  t.is(answers.length, 20)
  t.is((await handle(inPrivate(textOf('hello'), owner))).length, 1)
})
