import { makeContent } from '../../bot-api/content.ts'
import { type Answer, domain } from '../depot.ts'
import type { Step } from '../step.ts'

const size = 1_000_000
const seed = 'ranges'
const unknown = '00000000-0000-4000-8000-000000000000'

function bytes(from: number, to: number): Buffer {
  const target = Buffer.alloc(to - from + 1)
  makeContent(seed)(from, target)
  return target
}

/** The parts of a multipart/byteranges answer, by their Content-Range. */
function partsOf({ headers, body }: Answer): Map<string, Buffer> {
  const boundary = /boundary=(\S+)/.exec(headers.get('content-type') ?? '')?.[1]
  const parts = new Map<string, Buffer>()
  for (const part of body.toString('latin1').split(`--${boundary}`).slice(1, -1)) {
    const end = part.indexOf('\r\n\r\n')
    const range = /content-range: (.*)/i.exec(part.slice(0, end))?.[1] ?? ''
    parts.set(range.trim(), Buffer.from(part.slice(end + 4, -2), 'latin1'))
  }
  return parts
}

const safetyHeaders: Record<string, RegExp> = {
  'x-content-type-options': /^nosniff$/,
  'content-security-policy': /sandbox/,
  'referrer-policy': /^no-referrer$/,
  'x-robots-tag': /noindex/,
  'cross-origin-resource-policy': /^same-origin$/,
  'strict-transport-security': /max-age=\d{7,}/,
  'cache-control': /no-store/,
}

export const downloads: Step[] = [
  {
    title: 'single, suffix and open ranges are the right bytes',
    async run(t, depot) {
      const file = await depot.send(1010, { kind: 'document', name: 'ranges.bin', size, seed })
      depot.sent.set('ranges', file)
      const ranges: [string, number, number][] = [
        ['0-0', 0, 0],
        ['500-1499', 500, 1499],
        ['-700', size - 700, size - 1],
        ['999000-', 999_000, size - 1],
        ['999999-2000000', size - 1, size - 1],
      ]
      for (const [range, from, to] of ranges) {
        const { status, headers, body } = await depot.get(file.url, '--range', range)
        t.is(status, 206, range)
        t.is(headers.get('content-range'), `bytes ${from}-${to}/${size}`)
        t.true(body.equals(bytes(from, to)), range)
      }
    },
  },
  {
    title: 'several ranges come as parts of one answer',
    async run(t, depot) {
      const { url } = depot.file('ranges')
      for (const protocol of ['--http1.1', '--http2']) {
        const answer = await depot.get(url, protocol, '--range', '0-99,5000-5099,-10')
        t.is(answer.status, 206)
        const parts = partsOf(answer)
        t.deepEqual(
          [...parts.keys()],
          [`bytes 0-99/${size}`, `bytes 5000-5099/${size}`, `bytes ${size - 10}-${size - 1}/${size}`],
        )
        t.true(parts.get(`bytes 5000-5099/${size}`)?.equals(bytes(5000, 5099)))
      }
    },
  },
  {
    title: 'a range beyond the end is 416 with the size, and without a body that pretends to be the file',
    async run(t, depot) {
      const { status, headers, body } = await depot.get(depot.file('ranges').url, '--range', `${size}-`)
      t.is(status, 416)
      t.is(headers.get('content-range'), `bytes */${size}`)
      t.true(body.length < 1000)
    },
  },
  {
    title: 'If-Range continues the same file and restarts another',
    async run(t, depot) {
      const { url } = depot.file('ranges')
      const { headers } = await depot.get(url, '--head')
      const etag = headers.get('etag') ?? ''
      t.regex(etag, /^"[^"]+"$/, 'a strong validator')
      const modified = headers.get('last-modified') ?? ''
      for (const [validator, status] of [
        [etag, 206],
        [modified, 206],
        ['"another"', 200],
        ['Thu, 01 Jan 1970 00:00:00 GMT', 200],
      ] as const) {
        const answer = await depot.get(url, '--range', '100-199', '--header', `If-Range: ${validator}`)
        t.is(answer.status, status, validator)
        t.is(answer.body.length, status === 206 ? 100 : size)
      }
    },
  },
  {
    title: 'HEAD has the size and no body, and a known file is 304',
    async run(t, depot) {
      const { url } = depot.file('ranges')
      const head = await depot.get(url, '--head')
      t.is(head.status, 200)
      t.is(head.headers.get('content-length'), String(size))
      t.is(head.headers.get('accept-ranges'), 'bytes')
      const etag = head.headers.get('etag') ?? ''
      t.is((await depot.get(url, '--header', `If-None-Match: ${etag}`)).status, 304)
      const since = `If-Modified-Since: ${head.headers.get('last-modified')}`
      t.is((await depot.get(url, '--header', since)).status, 304)
      t.is((await depot.get(url, '--header', 'If-None-Match: "another"')).status, 200)
    },
  },
  {
    title: 'the bytes carry the headers that keep them from running as a page, once each',
    async run(t, depot) {
      const { url } = depot.file('ranges')
      for (const options of [[], ['--range', '0-9'], ['--range', `${size}-`]]) {
        const { headers } = await depot.get(url, ...options)
        for (const [name, form] of Object.entries(safetyHeaders)) {
          const value = headers.get(name) ?? ''
          t.regex(value, form, `${name} with ${options.join(' ')}`)
          if (name !== 'x-robots-tag' && name !== 'cache-control')
            t.notRegex(value, /,/, `${name} came twice`)
        }
        t.notRegex(headers.get('cache-control') ?? '', /public/)
        t.notRegex(headers.get('server') ?? '', /\d/)
      }
    },
  },
  {
    title: 'a link works with any name behind it',
    async run(t, depot) {
      const { uuid, sha256 } = depot.file('ranges')
      t.is(
        await depot.download(`https://${domain}/download/${uuid}/any%20name%2F%F0%9F%8E%89.bin?x=1`),
        sha256,
      )
    },
  },
  {
    title: 'unknown and malformed links get one and the same 404, as page or JSON',
    async run(t, depot) {
      const paths = [
        `/download/${unknown}`,
        '/download/nonsense',
        '/download/no%20uuid',
        `/download/${unknown}0`,
      ]
      const pages = await Promise.all(paths.map((path) => depot.get(path)))
      for (const page of pages) t.is(page.status, 404)
      t.is(new Set(pages.map(({ body }) => body.toString())).size, 1)
      const json = await depot.get(`/download/${unknown}`, '--header', 'Accept: application/json')
      t.is(json.status, 404)
      t.truthy(JSON.parse(json.body.toString()).error)
    },
  },
  {
    title: 'the internal location cannot be asked for, and plain HTTP leads to TLS',
    async run(t, depot) {
      const { uuid } = depot.file('ranges')
      t.is((await depot.get(`/_files/${uuid.slice(0, 2)}/${uuid}`)).status, 404)
      const plain = await depot.get(`http://${domain}/download/${uuid}`)
      t.is(plain.status, 301)
      t.is(plain.headers.get('location'), `https://${domain}/download/${uuid}`)
      t.is((await depot.get('/')).status, 200)
    },
  },
]
