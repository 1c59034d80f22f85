import type { StandIn } from './client.ts'

export type Answer = {
  status: number
  ok: boolean
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever the method answers
  result?: any
  description?: string
  error_code?: number
  parameters?: object
}

/** Calls a Bot API method with a JSON body. Rejects when the connection ends without an answer. */
export async function callApi(
  server: StandIn,
  method: string,
  params: object = {},
  token = server.token,
): Promise<Answer> {
  const response = await fetch(`${server.url}/bot${token}/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(params),
  })
  return { status: response.status, ...((await response.json()) as Omit<Answer, 'status'>) }
}

/** The file_id in the newest update; every update up to it is confirmed. */
export async function receiveFileId(server: StandIn, token = server.token): Promise<string> {
  const { result } = await callApi(server, 'getUpdates', { timeout: 10 }, token)
  const last = result.at(-1)
  await callApi(server, 'getUpdates', { offset: last.update_id + 1, timeout: 0 }, token)
  const { document, video, audio, voice, video_note, photo } = last.message
  return (document ?? video ?? audio ?? voice ?? video_note ?? photo.at(-1)).file_id
}

/** Waits until `look` gives something other than undefined; fails after `ms`. */
export async function until<T>(look: () => Promise<T | undefined> | T | undefined, ms = 10_000): Promise<T> {
  const deadline = Date.now() + ms
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (Date.now() > deadline) throw new Error(`It did not come true within ${ms} ms: ${look}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
