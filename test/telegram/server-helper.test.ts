import { spawn } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { TelegramApi } from '../../app/telegram/api.ts'
import { ServerHelper } from '../../app/telegram/server-helper.ts'
import { startHelper } from '../helpers/start-helper.ts'

const asNobody = process.getuid?.() === 0 ? test : test.skip

/** A helper, and folders for it like the server's. */
async function open(t: ExecutionContext, more: { port?: number; as?: string[] } = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'tgdepot-helper-'))
  const files = join(dir, 'bot-api')
  await mkdir(join(files, '42:token', 'documents'), { recursive: true })
  await mkdir(join(files, '42:token', 'temp'))
  await chmod(dir, 0o755)
  const path = join(dir, 'helper.sock')
  const running = await startHelper({ path, files, port: 8081, ...more })
  const helper = new ServerHelper(path, 2000)
  t.teardown(async () => {
    helper.close()
    await running[Symbol.asyncDispose]()
    await rm(dir, { recursive: true })
  })
  return { dir, files, path, helper }
}

async function makeFile(files: string, name: string): Promise<string> {
  const path = join(files, '42:token', name)
  await writeFile(path, 'bytes', { mode: 0o640 })
  return path
}

const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8)

test('a finished file is handed over: its group may write it and its folder, and everyone read it', async (t) => {
  const { files, helper } = await open(t)
  const path = await makeFile(files, 'documents/file_1.bin')
  await helper.handOver(path)
  t.is(await modeOf(path), '664')
  t.regex(await modeOf(join(files, '42:token/documents')), /^77/)
  const odd = await makeFile(files, 'documents/file_2 \n"$(x)`é\\.bin')
  await helper.handOver(odd)
  t.is(await modeOf(odd), '664')
})

test('nothing but a finished file is handed over', async (t) => {
  const { dir, files, helper } = await open(t)
  const outside = join(dir, 'file_9')
  await writeFile(outside, '', { mode: 0o600 })
  const finished = await makeFile(files, 'documents/file_1.bin')
  await symlink(outside, join(files, '42:token/documents/file_2'))
  await symlink(dir, join(files, '42:token/more'))
  await symlink(join(files, '42:token'), join(files, 'other'))
  await mkdir(join(files, '42:token/documents/file_3'))
  const refused = [
    await makeFile(files, 'td.binlog'),
    await makeFile(files, 'temp/file_7'),
    await makeFile(files, 'documents/other'),
    outside,
    join(files, '42:token/documents/file_2'),
    join(files, '42:token/more/file_9'),
    join(files, 'other/documents/file_1.bin'),
    join(files, '42:token/documents/file_3'),
    `${files}/42:token/../file_9`,
    `${files}/42:token/documents/../file_1.bin`,
    `${files}/../file_9`,
    `${finished}/`,
    '',
  ]
  for (const path of refused) {
    await t.throwsAsync(helper.handOver(path), { name: 'HelperError', code: 'EINVAL' }, path)
  }
  t.is(await modeOf(outside), '600')
  t.is(await modeOf(join(files, '42:token/td.binlog')), '640')
  await t.throwsAsync(helper.handOver(join(files, '42:token/documents/file_99')), { code: 'ENOENT' })
})

test('a link that takes the file’s place while it is handed over opens nothing else', async (t) => {
  const { files, helper } = await open(t)
  const session = await makeFile(files, 'td.binlog')
  const path = await makeFile(files, 'documents/file_1.bin')
  // As a bot that somebody has taken over could do it, in a folder that was opened to it before.
  const swap = `my ($file, $session) = @ARGV;
    symlink $session, "$file.link" or die; link $file, "$file.own" or die;
    while (1) { for ('link', 'own') { unlink "$file.now"; link "$file.$_", "$file.now" and rename "$file.now", $file } }`
  const swapper = spawn('perl', ['-e', swap, path, session], { stdio: ['ignore', 'inherit', 'inherit'] })
  t.teardown(() => swapper.kill('SIGKILL'))
  const answers = new Set<string>()
  for (let round = 0; round < 300; round++) {
    const asked = Array.from({ length: 20 }, () => helper.handOver(path))
    for (const answer of await Promise.allSettled(asked)) {
      answers.add(answer.status === 'fulfilled' ? 'ok' : answer.reason.code)
    }
  }
  t.true(answers.has('EINVAL') && answers.has('ok'), [...answers].join())
  t.is(await modeOf(session), '640')
})

test('requests at the same time get their own answers, and no error holds the token', async (t) => {
  const { files, helper } = await open(t)
  const path = await makeFile(files, 'documents/file_1.bin')
  const asked = Array.from({ length: 30 }, (_, i) => helper.handOver(i % 3 === 0 ? `${path}-` : path))
  const answers = await Promise.allSettled(asked)
  t.deepEqual(
    answers.map(({ status }) => status),
    answers.map((_, i) => (i % 3 === 0 ? 'rejected' : 'fulfilled')),
  )
  for (const answer of answers) {
    if (answer.status === 'rejected') t.notRegex(`${answer.reason.stack}`, /42:token/)
  }
})

asNobody(
  'a file of another user is linked and removed after it was handed over, and not before',
  async (t) => {
    const { files, dir, helper } = await open(t)
    const path = await makeFile(files, 'documents/file_1.bin')
    const others = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
    const groupOf = (gid: number) => ['setpriv', '--reuid=65534', '--regid=65534', `--groups=${gid}`]
    const run = (as: string[], ...command: string[]) =>
      new Promise((ended) => spawn(as[0] as string, [...as.slice(1), ...command]).on('exit', ended))
    const store = join(dir, 'store')
    await mkdir(store)
    await chmod(store, 0o777)
    const member = groupOf(0)
    t.not(await run(member, 'ln', '-P', path, join(store, 'one')), 0)
    await helper.handOver(path)
    t.not(await run(others, 'ln', '-P', path, join(store, 'one')), 0, 'who is not in the group still cannot')
    t.is(await run(member, 'ln', '-P', path, join(store, 'one')), 0)
    t.is(await run(member, 'ln', '-P', join(store, 'one'), join(store, 'two')), 0, 'for a second link')
    t.is(await run(member, 'rm', path), 0)
  },
)

test('a helper that is away, goes away or hangs is an error in time, and the next request finds a new one', async (t) => {
  const { files, helper, path: socket } = await open(t)
  const path = await makeFile(files, 'documents/file_1.bin')
  const silent = net.createServer((connection) => connection.on('data', () => {}))
  const away = new ServerHelper(`${socket}-`, 200)
  t.teardown(() => away.close())
  await t.throwsAsync(away.handOver(path), { code: 'HELPER_AWAY' })
  await new Promise<void>((listening) => silent.listen(`${socket}-`, listening))
  const held: net.Socket[] = []
  silent.on('connection', (connection) => held.push(connection))
  await t.throwsAsync(away.handOver(path), { code: 'HELPER_SILENT' })
  const hanging = away.handOver(path)
  await new Promise((connected) => silent.once('connection', connected))
  for (const connection of held) connection.destroy()
  await t.throwsAsync(hanging, { code: 'HELPER_AWAY' })
  silent.close()

  await helper.handOver(path)
  helper.close()
  await t.throwsAsync(helper.handOver(path), { code: 'STOPPED' })
})

/** A server of HTTP that keeps all it is told, in this process or, by nobody, in another. */
async function listen(t: ExecutionContext) {
  const heard: string[] = []
  const server = http.createServer((request, response) => {
    heard.push(request.url ?? '')
    response.end('{"ok":true,"result":{"id":1,"username":"a_bot"}}')
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  t.teardown(() => server.close())
  return { heard, server, port: (server.address() as AddressInfo).port }
}

test('the token is said to a server of the helper’s user', async (t) => {
  const { heard, port } = await listen(t)
  const { helper } = await open(t, { port })
  const api = new TelegramApi(`http://127.0.0.1:${port}`, '123456789:token', helper)
  t.teardown(() => api.close())
  t.deepEqual(await api.call('getMe'), { id: 1, username: 'a_bot' })
  await Promise.all(Array.from({ length: 20 }, () => api.call('getMe')))
  t.is(heard.length, 21)
})

asNobody('it is not said to a server of another user', async (t) => {
  const { heard, port } = await listen(t)
  const as = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
  const { helper } = await open(t, { port, as })
  const api = new TelegramApi(`http://127.0.0.1:${port}`, '123456789:token', helper)
  t.teardown(() => api.close())
  await t.throwsAsync(api.call('getMe'), { name: 'TelegramUnreachable', code: 'OTHER_USER' })
  t.deepEqual(heard, [])
})

test('it is not said before somebody has taken up the connection', async (t) => {
  // Listens, and accepts nothing: its connections wait in the kernel.
  const listener = net.createServer()
  await new Promise<void>((listening) => listener.listen(0, '127.0.0.1', listening))
  const { port } = listener.address() as AddressInfo
  const { helper } = await open(t, { port })
  const api = new TelegramApi(`http://127.0.0.1:${port}`, '123456789:token', helper)
  const silent = spawn(
    process.execPath,
    [
      '-e',
      `process.stdin; require('net').createServer().listen({ fd: 3 }, () => { console.log('ready'); for (;;); })`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit', (listener as unknown as { _handle: { fd: number } })._handle.fd] },
  )
  t.teardown(() => {
    silent.kill('SIGKILL')
    api.close()
  })
  await new Promise((ready) => silent.stdout?.once('data', ready))
  listener.close()
  await t.throwsAsync(api.call('getMe', {}, { timeout: 1000 }), {
    name: 'TelegramUnreachable',
    code: 'ENOTCONN',
  })
})

test('where nobody listens, and where the helper is away, the call ends as one that reached nobody', async (t) => {
  const { helper } = await open(t, { port: 1 })
  const nobody = new TelegramApi('http://127.0.0.1:1', '123456789:token', helper)
  t.teardown(() => nobody.close())
  await t.throwsAsync(nobody.call('getMe'), { name: 'TelegramUnreachable', code: 'ECONNREFUSED' })
  const { heard, port } = await listen(t)
  const away = new TelegramApi(`http://127.0.0.1:${port}`, '1:token', new ServerHelper('/nowhere/x.sock'))
  t.teardown(() => away.close())
  await t.throwsAsync(away.call('getMe'), { name: 'TelegramUnreachable', code: 'HELPER_AWAY' })
  t.deepEqual(heard, [])
})
