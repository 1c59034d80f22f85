import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { nameInUrl } from '../../../app/links/url-name.ts'
import { startBehindNginx } from '../../helpers/behind-nginx.ts'
import { type Browser, chromiumProgram, startChromium } from '../../helpers/chromium.ts'
import { type Depot, openDepot } from '../../helpers/depot.ts'
import { nginxProgram } from '../../helpers/nginx.ts'

const run = promisify(execFile)
const withPrograms =
  nginxProgram && existsSync('/usr/bin/wget') && existsSync('/usr/bin/curl') ? test : test.skip
const withChromium = nginxProgram && chromiumProgram ? test.serial : test.serial.skip

const names = [
  'plain.txt',
  'two words (1).pdf',
  'Отчёт за год.docx',
  '100% %41.txt',
  '=?UTF-8?B?0JY=?=.txt',
  `He said 'yes'; ~*.txt`,
  'Постановление о внесении изменений в устав общества.pdf',
  `${'x'.repeat(251)}.txt`,
  `${'я'.repeat(124)}.tar.gz`,
]
const uuidOf = (at: number) => `a1b2c3d4-0000-4000-8000-0000000000d${at}`

const owned = new AsyncDisposableStack()
let depot: Depot
let base: string
let browser: Browser

const linkOf = (at: number) => `${base}/download/${uuidOf(at)}${nameInUrl(names[at] ?? '')}`

test.before(async () => {
  if (!nginxProgram) return
  depot = owned.use(await openDepot())
  for (const [at, name] of names.entries())
    await depot.share({ uuid: uuidOf(at), bytes: `bytes ${at}`, name })
  base = `http://127.0.0.1:${owned.use(await startBehindNginx(depot)).port}`
  if (chromiumProgram) browser = owned.use(await startChromium())
})
test.after.always(() => owned.disposeAsync())

/** What a program leaves in an empty folder. */
async function savedBy(program: string, args: string[]): Promise<{ name: string; text: string }> {
  const folder = await mkdtemp(join(depot.dir, 'saved-'))
  try {
    await run(program, args, { cwd: folder, env: { PATH: process.env.PATH, LANG: 'C.UTF-8' } })
    const [name = ''] = await readdir(folder)
    return { name, text: await readFile(join(folder, name), 'utf8') }
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** What `name` is saved as: a long one that stands in percent-encoding may lose the end before its extension. */
function asSaved(saved: string, name: string): string {
  if (encodeURIComponent(name).length <= 234) return name
  const extension = /(?:\.tar)?\.\w+$/.exec(name)?.[0] ?? ''
  const begin = saved.slice(0, saved.length - extension.length)
  return begin.length > 10 && name.startsWith(begin) ? begin + extension : name
}

for (const [at, name] of names.entries()) {
  const shown = name.slice(0, 30)
  const isLong = Buffer.byteLength(name) > 240

  if (!isLong) {
    // wget decodes twice what looks encoded in a name.
    const forWget = name.includes('%41') ? test.skip : withPrograms
    forWget(`wget saves ${shown} under its name, by the address alone and by the answer`, async (t) => {
      const plain = ['--no-proxy', '--quiet', '--restrict-file-names=nocontrol']
      // What the answer says is for browsers, and whole: of that, wget cuts off the end.
      const byAnswer = await savedBy('wget', [...plain, '--content-disposition', linkOf(at)])
      if (encodeURIComponent(name).length <= 234) t.is(byAnswer.name, name)
      t.is(byAnswer.text, `bytes ${at}`)
      const byAddress = await savedBy('wget', [...plain, linkOf(at)])
      t.deepEqual(byAddress, { name: asSaved(byAddress.name, name), text: `bytes ${at}` })
    })

    withPrograms(
      `curl -OJ saves ${shown} under its name, in percent-encoding if it is not ASCII`,
      async (t) => {
        const saved = await savedBy('curl', ['--noproxy', '*', '-sSfOJ', linkOf(at)])
        t.is(saved.text, `bytes ${at}`)
        if (/^[\x20-\x7e]*$/.test(name)) return t.is(saved.name, name)
        const decoded = decodeURIComponent(saved.name)
        t.is(decoded, asSaved(decoded, name))
        t.deepEqual(
          await savedBy('curl', ['--noproxy', '*', '-sSfO', linkOf(at)]).then(({ text }) => text),
          saved.text,
        )
      },
    )
  }

  withChromium(`Chromium saves ${shown}`, async (t) => {
    const saved = await browser.save(linkOf(at))
    t.is(await readFile(join(browser.downloads, saved), 'utf8'), `bytes ${at}`)
    // Chromium itself takes out what Windows does not allow.
    const safe = name.replace(/[*?~:]/g, '_')
    if (isLong) t.is(/(\.tar)?\.\w+$/.exec(saved)?.[0], /(\.tar)?\.\w+$/.exec(name)?.[0])
    else t.is(saved.replace(/[*?~:]/g, '_'), safe)
  })
}

withChromium('Chromium shows the page where the bytes of a link are missing', async (t) => {
  const lost = uuidOf(names.length)
  await depot.share({ uuid: lost, bytes: 'x', name: 'a.mp4', mimeType: 'video/mp4' })
  await depot.store.remove(lost)
  t.regex(await browser.read(`${base}/download/${lost}/a.mp4`), /There is no such file/)
})
