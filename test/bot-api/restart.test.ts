import { createHash } from 'node:crypto'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { callApi, receiveFileId } from './call-api.ts'
import { startBotApi } from './client.ts'

test('chats, edits, buttons and blocks survive a kill', async (t) => {
  await using server = await startBotApi()
  await server.sendText('hello')
  const reply_markup = { inline_keyboard: [[{ text: 'x', callback_data: 'x' }]] }
  const { result } = await callApi(server, 'sendMessage', { chat_id: 1001, text: 'one', reply_markup })
  const { message_id } = result
  await callApi(server, 'editMessageText', { chat_id: 1001, message_id, text: 'two', reply_markup })
  await server.press({ chat_id: 1001, message_id, data: 'x' })
  await server.block(1001)
  const before = await server.chat(1001)
  await server.restart('SIGKILL')
  t.deepEqual(await server.chat(1001), before)
  t.is((await callApi(server, 'sendMessage', { chat_id: 1001, text: 'x' })).status, 403)
})

test('a file_id is good after a restart, for made and for stored bytes', async (t) => {
  await using server = await startBotApi()
  const bytes = Buffer.from('the bytes of a real file\n'.repeat(1000))
  await writeFile(join(server.dir, '../real.txt'), bytes)
  const sent = await server.sendFile({ path: join(server.dir, '../real.txt'), name: 'real.txt' })
  t.is(sent.sha256, createHash('sha256').update(bytes).digest('hex'))
  const file_id = await receiveFileId(server)
  await server.restart('SIGKILL')
  const { result } = await callApi(server, 'getFile', { file_id })
  t.deepEqual(await readFile(result.file_path), bytes)
})

test('raw bytes can be posted as a file, for scripts', async (t) => {
  await using server = await startBotApi()
  await callApi(server, 'getMe')
  const query = new URLSearchParams({ name: 'Отчёт.txt', from: '5', kind: 'document' })
  const response = await fetch(`${server.control}/files?${query}`, { method: 'POST', body: 'raw' })
  const sent = (await response.json()) as { chat_id: number; sha256: string }
  t.like(sent, { chat_id: 5, sha256: createHash('sha256').update('raw').digest('hex') })
  const { result } = await callApi(server, 'getUpdates')
  t.like(result[0].message.document, { file_name: 'Отчёт.txt', file_size: 3 })
})

test('the journal may end in the middle of a line', async (t) => {
  await using server = await startBotApi()
  await server.sendText('kept')
  await server.kill('SIGKILL')
  await appendFile(join(server.cloudDir, 'journal.jsonl'), '{"t":"message","at":1')
  await server.start()
  await server.sendText('after it')
  await server.restart('SIGKILL')
  const { messages } = await server.chat(1001)
  t.deepEqual(
    messages.map((message) => message.text),
    ['kept', 'after it'],
  )
})

test('settings stay, faults go with the process', async (t) => {
  await using server = await startBotApi()
  await server.settings({ download_bytes_per_second: 12_345 })
  await server.fault({ method: 'getMe', count: -1, cut: true })
  await server.restart()
  t.is((await server.settings({})).settings.download_bytes_per_second, 12_345)
  t.true((await callApi(server, 'getMe')).ok)
})

test('several bots on one server have their own chats, files and updates', async (t) => {
  await using server = await startBotApi()
  const other = '42:AAotherotherotherotherotherotherother'
  await callApi(server, 'getMe', {}, other)
  await server.sendFile({ name: 'mine.bin' })
  await server.sendFile({ name: 'other.bin', bot_id: 42 })
  const mine = await receiveFileId(server)
  const others = await receiveFileId(server, other)
  t.not(mine, others)
  t.is((await server.chat(1001)).messages.length, 1)
  const { result } = await callApi(server, 'getFile', { file_id: others }, other)
  t.is(result.file_path, join(server.dir, other, 'documents/file_1.bin'))
})

test('kills at random moments lose no update and deliver none twice after it was confirmed', async (t) => {
  await using server = await startBotApi()
  await callApi(server, 'getMe')
  const taken: number[] = []
  const received: number[] = []
  const confirmedTwice: number[] = []
  let isSending = true

  async function sendMessages(): Promise<void> {
    for (let i = 0; i < 200; i++) {
      const sent = await server.sendText(`message ${i}`).catch(() => undefined)
      if (sent) taken.push(sent.message_id)
    }
    isSending = false
  }

  async function receiveMessages(): Promise<void> {
    let offset = 0
    for (;;) {
      const answer = await callApi(server, 'getUpdates', { offset, limit: 7, timeout: 1 }).catch(
        () => undefined,
      )
      if (answer?.result?.length === 0 && !isSending) return
      for (const { update_id, message } of answer?.result ?? []) {
        if (update_id < offset) confirmedTwice.push(update_id)
        offset = update_id + 1
        received.push(message.message_id)
      }
    }
  }

  async function crash(): Promise<void> {
    for (let i = 0; i < 4; i++) {
      await new Promise((resolve) => setTimeout(resolve, 50 + 200 * Math.random()))
      await server.restart('SIGKILL')
    }
  }

  await Promise.all([sendMessages(), receiveMessages(), crash()])
  t.deepEqual(confirmedTwice, [])
  t.is(new Set(received).size, received.length)
  t.deepEqual(
    taken.filter((id) => !received.includes(id)),
    [],
  )
})
