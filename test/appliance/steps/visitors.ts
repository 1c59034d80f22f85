import { domain } from '../depot.ts'
import { waitFor } from '../host.ts'
import { as } from '../inside.ts'
import type { Step } from '../step.ts'

/** What nginx writes down of visitors, and what it tells those who are not meant to know more. */
export const visitors: Step[] = [
  {
    title: 'the log is rotated, goes on, and stays closed',
    async run(t, depot) {
      const { machine } = depot
      await machine.sh('command -v logrotate || apt-get install -qq --no-install-recommends logrotate', {
        env: { DEBIAN_FRONTEND: 'noninteractive' },
        timeout: 120_000,
      })
      await depot.get('/before-the-rotation')
      await waitFor('the log to be written', 10_000, async () =>
        (await machine.readFile('/var/log/tgdepot/access.log')).includes('before-the-rotation'),
      )
      t.is(await machine.sh('logrotate --force /etc/logrotate.d/tgdepot 2>&1'), '')
      t.true((await machine.readFile('/var/log/tgdepot/access.log.1')).includes('before-the-rotation'))
      await waitFor('the new log to be written', 20_000, async () => {
        await depot.get('/after-the-rotation')
        return (await machine.readFile('/var/log/tgdepot/access.log')).includes('after-the-rotation')
      })
      t.is(await machine.sh("stat --format='%a %U' /var/log/tgdepot/access.log"), '640 www-data')
      t.not((await as(depot, 'www-data', 'cat /var/log/tgdepot/access.log')).code, 0)
      t.is(await machine.sh('nginx -t -q 2>&1'), '')
    },
  },
  {
    title: 'who does not know the site’s name learns neither it nor its certificate',
    async run(t, depot) {
      const { address } = depot.machine
      const ask = async (url: string, ...options: string[]) => {
        const command = ['curl', '--silent', '--include', '--insecure', '--max-time', '10', ...options, url]
        return await depot.machine.run(command.map((word) => `'${word}'`).join(' '))
      }
      for (const url of [`http://${address}/`, `https://${address}/`]) {
        for (const options of [[], ['--header', 'Host: other.example']]) {
          const { code, stdout } = await ask(url, ...options)
          t.not(code, 0, url)
          t.is(stdout, '', url)
        }
      }
      const other = ['--resolve', `other.example:443:${address}`]
      t.is((await ask('https://other.example/', ...other)).stdout, '')
      const named = ['--resolve', `${domain}:443:${address}`]
      // Newer nginx answers 421 by itself.
      const misdirected = await ask(`https://${domain}/`, ...named, '--header', 'Host: other.example')
      t.regex(misdirected.stdout, /^(HTTP\/\S+ 421 |$)/)
      t.false(misdirected.stdout.includes(domain))
      for (const name of [[], ['-servername', 'other.example']]) {
        const { stdout } = await depot.machine.run(
          `openssl s_client -connect ${address}:443 ${name.join(' ')} </dev/null 2>&1`,
        )
        t.regex(stdout, /no peer certificate available/)
        t.false(stdout.includes(domain))
      }
      t.is((await depot.get('/')).status, 200)
      t.is((await depot.get(`http://${domain}/x`)).headers.get('location'), `https://${domain}/x`)
    },
  },
  {
    title: '/health tells a visitor what works and no more',
    async run(t, depot) {
      const { status, body } = await depot.get('/health')
      t.is(status, 200)
      const { parts } = JSON.parse(body.toString())
      t.true(Object.keys(parts).length >= 5)
      for (const part of Object.values(parts)) t.deepEqual(part, { ok: true })
      t.regex((await depot.health()).parts.disk?.detail ?? '', /free/)
    },
  },
]
