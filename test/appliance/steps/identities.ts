import { createServer, type Server } from 'node:net'
import type { ExecutionContext } from 'ava'
import { type Depot, dataFolder, standInFolder } from '../depot.ts'
import { must, waitFor } from '../host.ts'
import { as, inside } from '../inside.ts'
import type { Step } from '../step.ts'

const server = 'tgdepot-bot-api.service'
const bot = 'tgdepot-bot.service'

/** An address of the internet, as far as the machine can tell (RFC 5737). */
const publicAddress = '198.51.100.1'

/** Listens on an address of the host. */
async function listen(t: ExecutionContext, host: string, port = 0): Promise<number> {
  const listener: Server = createServer((socket) => {
    // Callers hang up as soon as they are connected.
    socket.on('error', () => {})
    socket.end('hello')
  })
  await new Promise<void>((listening, failed) => {
    listener.once('error', failed)
    listener.listen(port, host, listening)
  })
  t.teardown(() => listener.close())
  return (listener.address() as { port: number }).port
}

/** Whether a user of the machine gets a connection. */
async function reaches(depot: Depot, user: string, host: string, port: number): Promise<boolean> {
  const { code } = await as(depot, user, `timeout 5 bash -c 'exec 3<>/dev/tcp/${host}/${port}'`)
  return code === 0
}

const thiefPath = '/usr/local/lib/thief.mjs'
/** Takes the server's port whenever it is free, accepts everyone, and writes down what it is told. */
const thief = `import { appendFileSync } from 'node:fs'
import { createServer } from 'node:net'
const listen = (host) => createServer((socket) => {
  appendFileSync('/tmp/thief.accepted', 'x')
  socket.on('data', (data) => { appendFileSync('/tmp/thief.heard', data); socket.end('HTTP/1.1 401 no\\r\\n\\r\\n') })
  socket.on('error', () => {})
}).on('error', () => setTimeout(() => listen(host), 5)).listen(8081, host)
listen(process.argv[2])
`

async function sizeOf({ machine }: Depot, file: string): Promise<number> {
  return Number((await machine.run(`stat --format=%s ${file}`)).stdout || 0)
}

/** Lets nobody take the server's port for as long as `look` takes. */
async function steal(depot: Depot, host: string, look: () => Promise<void>): Promise<void> {
  const { machine } = depot
  const run = `systemd-run --quiet --collect`
  await machine.sh('rm -f /tmp/thief.*')
  await machine.sh(`systemctl stop ${server}`)
  try {
    await machine.sh(
      `${run} --unit=thief --uid=nobody --gid=nogroup ${standInFolder}/node ${thiefPath} ${host}`,
    )
    await waitFor('the thief to hold the port', 10_000, async () => {
      const { stdout } = await machine.run('ss -Hltn sport = :8081')
      return stdout.includes('8081')
    })
    await look()
  } finally {
    await machine.run('systemctl stop thief flusher')
    await machine.sh(`systemctl restart tgdepot-firewall; systemctl start ${server}`)
  }
}

export const identities: Step[] = [
  {
    title: 'the Bot API server and the bot, taken over, can neither signal nor look into each other',
    async run(t, depot) {
      const pidOf = (unit: string) => depot.property(unit, 'MainPID')
      for (const [unit, other] of [
        [server, bot],
        [bot, server],
      ] as const) {
        const pid = await pidOf(other)
        t.is((await inside(depot, other, `kill -0 ${pid}`)).code, 0, 'a process may signal itself')
        for (const command of [
          `kill -0 ${pid}`,
          `kill -STOP ${pid}`,
          `prlimit --pid ${pid}`,
          `cat /proc/${pid}/environ`,
          `ls /proc/${pid}/root/`,
          `ls /proc/${pid}/fd/`,
        ]) {
          t.not((await inside(depot, unit, command)).code, 0, `${unit}: ${command}`)
        }
      }
      const owner = await depot.machine.sh(`find ${dataFolder}/bot-api -not -user tgdepot-api`)
      t.is(owner, '', 'everything in its folder is the server’s own')
      const session = await depot.machine.sh(
        `find ${dataFolder}/bot-api -name td.binlog -not -path '*cloud*'`,
      )
      t.regex(session, /td\.binlog$/)
      t.not((await inside(depot, bot, `cat '${session}'`)).code, 0, 'the session is the server’s alone')
    },
  },
  {
    title: 'the helper opens finished files to the bot, and answers nobody else',
    async run(t, depot) {
      const socket = '/run/tgdepot-api-helper.sock'
      t.is(await depot.machine.sh(`stat --format='%a %U' ${socket}`), '600 tgdepot')
      const { uuid, sha256, url } = await depot.send(1050, {
        kind: 'document',
        name: 'own.bin',
        size: 50_000,
      })
      t.is(await depot.machine.sh(`stat --format='%a %U %h' ${depot.storePath(uuid)}`), '664 tgdepot-api 1')
      t.is(await depot.download(url), sha256)
      const ask = `${standInFolder}/node -e "require('net').connect('${socket}').on('connect', () => process.exit(0)).on('error', () => process.exit(1))"`
      t.is((await as(depot, 'tgdepot', ask)).code, 0)
      for (const user of ['nobody', 'www-data', 'tgdepot-web', 'tgdepot-api'])
        t.not((await as(depot, user, ask)).code, 0, user)
      const helper = 'tgdepot-api-helper.service'
      t.is(await depot.property(helper, 'User'), 'tgdepot-api')
      const { stdout } = await depot.machine.run(`systemd-analyze security --no-pager ${helper}`)
      const exposure = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1])
      t.true(exposure <= 1.2, `${exposure}`)
      t.notRegex(await depot.property(helper, 'RestrictAddressFamilies'), /INET/)
    },
  },
  {
    title: 'a helper that is killed, stopped or away costs a file a moment, and no copy of it',
    limit: 240,
    async run(t, depot) {
      const send = (name: string) => depot.send(1051, { kind: 'document', name, size: 60_000 }, 90_000)
      const unit = 'tgdepot-api-helper'
      const first = `$(systemctl show --property=MainPID --value ${unit})`
      const others = `$(pgrep --parent ${first})`
      for (const harm of [
        `kill -KILL ${first} ${others}`,
        // One process hangs, and not the one that takes up connections.
        `kill -STOP ${others}`,
        `kill -STOP ${first} ${others}; sleep 3; kill -CONT ${first} ${others}`,
        `systemctl stop ${unit}.socket ${unit}; sleep 3; systemctl start ${unit}.socket`,
      ]) {
        // So that there is a connection to be harmed.
        await send(`before ${harm.length}.bin`)
        const [file] = await Promise.all([send(`during ${harm.length}.bin`), depot.machine.sh(harm)])
        t.is(await depot.machine.sh(`stat --format='%U' ${depot.storePath(file.uuid)}`), 'tgdepot-api', harm)
        t.is(await depot.download(file.url), file.sha256)
      }
      // What was left hanging ends by itself once it can.
      await depot.machine.run(`kill -CONT ${others}`)
      // Stopped, it is started by the next file.
      const count = async () =>
        Number(await depot.machine.sh(`[ ${first} = 0 ] && echo 0 || pgrep --parent ${first} | wc -l`))
      await waitFor('the helpers that nobody asks to end', 10_000, async () => (await count()) <= 1)
      const completed = (await depot.logOf(bot)).filter(({ event }) => event === 'JOB_COMPLETED')
      t.false(completed.some(({ intake }) => intake === 'copy'))
    },
  },
  {
    title:
      'the Bot API server reaches the internet and its resolvers, and no service of this machine or its neighbours',
    async run(t, depot) {
      const { machine } = depot
      const { hostAddress: neighbour } = machine
      await must('ip', ['address', 'add', `${publicAddress}/32`, 'dev', machine.namespace])
      t.teardown(() => must('ip', ['address', 'delete', `${publicAddress}/32`, 'dev', machine.namespace]))
      const open: [string, number][] = [[publicAddress, await listen(t, publicAddress)]]
      const closed: [string, number][] = [
        ['127.0.0.1', 80],
        ['127.0.0.1', 8082],
        [machine.address, 443],
        [neighbour, await listen(t, neighbour)],
      ]
      for (const [host, port] of [...open, ...closed]) {
        t.true(await reaches(depot, 'nobody', host, port), `${host}:${port} is there`)
      }
      const user = 'tgdepot-api'
      // Side by side: each vain try takes its whole time limit.
      const reachesNone = (doors: [string, number][]) =>
        Promise.all(
          doors.map(async ([host, port]) =>
            t.false(await reaches(depot, user, host, port), `${host}:${port}`),
          ),
        )
      for (const [host, port] of open) t.true(await reaches(depot, user, host, port), `${host}:${port}`)
      await reachesNone(closed)

      const resolver = await listen(t, neighbour, 53)
      t.false(await reaches(depot, user, neighbour, resolver))
      const before = await machine.readFile('/etc/resolv.conf')
      await machine.sh(`echo 'nameserver ${neighbour}' >/etc/resolv.conf`)
      try {
        await waitFor('the firewall to know the new resolver', 45_000, () =>
          reaches(depot, user, neighbour, resolver),
        )
        await reachesNone(closed)
      } finally {
        await machine.writeFile('/etc/resolv.conf', before)
      }
    },
  },
  {
    title: 'who takes the Bot API server’s port while it is away hears nothing of the bot',
    limit: 240,
    async run(t, depot) {
      const { machine } = depot
      await machine.writeFile(thiefPath, thief)
      const isHere = async () => (await machine.run('ss -Htn state syn-sent dport = :8081')).stdout !== ''
      const flush = 'while :; do nft flush table inet tgdepot; done'
      const accepted = () => sizeOf(depot, '/tmp/thief.accepted')
      for (const host of ['127.0.0.1', '0.0.0.0', '::']) {
        await steal(depot, host, async () => {
          await waitFor('the bot to come to the thief', 60_000, isHere)
          t.is(await accepted(), 0, host)
          // Without the firewall it gets connections: the bot looks who is there before it speaks.
          await machine.sh(`systemd-run --quiet --collect --unit=flusher sh -c '${flush}'`)
          await waitFor('the thief to have visitors', 60_000, async () => (await accepted()) >= 3)
        })
        t.is(await sizeOf(depot, '/tmp/thief.heard'), 0, host)
      }
      await depot.waitForHealth(200)
      const file = await depot.send(1052, { kind: 'document', name: 'after the thief.bin', size: 10_000 })
      t.is(await depot.download(file.url), file.sha256)
    },
  },
  {
    title:
      'nobody puts a socket in the place of one of ours, and the Bot API server’s is the only port of this machine’s own',
    async run(t, depot) {
      const sockets = ['/run/tgdepot/web.sock', '/run/tgdepot-api-helper.sock']
      for (const user of ['nobody', 'www-data', 'tgdepot', 'tgdepot-api']) {
        for (const socket of sockets) {
          for (const command of [`rm -f ${socket}`, `mv ${socket} ${socket}.old`, `touch ${socket}.new`]) {
            t.not((await as(depot, user, command)).code, 0, `${user}: ${command}`)
          }
        }
      }
      const listening = await depot.machine.sh("ss -Hltn | awk '{ print $4 }' | sort -u")
      const ports = listening.split('\n').map((address) => Number(address.split(':').at(-1)))
      // 8082 is the stand-in's own.
      t.deepEqual(
        [...new Set(ports)].filter((port) => ![80, 443, 8082].includes(port)),
        [8081],
      )
    },
  },
  {
    title: 'the firewall’s rules come back whatever is flushed',
    async run(t, depot) {
      for (const harm of ['flush table inet tgdepot', 'flush ruleset', 'flush chain inet tgdepot output']) {
        await depot.machine.sh(`nft ${harm}`)
        await waitFor(`the rules after nft ${harm}`, 10_000, async () => {
          const { stdout } = await depot.machine.run('nft list chain inet tgdepot output')
          return stdout.includes('sport 8081')
        })
      }
      t.is(await depot.property('tgdepot-firewall.service', 'NRestarts'), '0')
    },
  },
  {
    title:
      'another site’s program, which runs as www-data, reads neither the files, nor the socket, nor the log',
    async run(t, depot) {
      const { machine } = depot
      const { uuid, url, sha256 } = depot.file('ranges')
      const workers = (await machine.sh('pgrep --parent $(cat /run/nginx.pid)')).split('\n')
      t.regex(await machine.sh(`stat --format=%G /proc/${workers[0]}`), /^(tgdepot-files|root)$/)
      const log = await machine.sh(
        `find /proc/${workers[0]}/fd -lname '*/access.log' -printf '%p\\n' | grep -m 1 .; true`,
      )
      t.regex(log, /fd\/\d+$/)
      const refused = [
        `cat ${depot.storePath(uuid)}`,
        `ls ${dataFolder}/store/`,
        'curl --silent --fail --max-time 5 --unix-socket /run/tgdepot/web.sock http://localhost/health',
        'cat /var/log/tgdepot/access.log',
        'ls /var/log/tgdepot/',
        `cat ${log}`,
        `readlink ${log}`,
        `ls /proc/${workers[0]}/root/`,
      ]
      for (const command of refused) t.not((await as(depot, 'www-data', command)).code, 0, command)
      t.is((await as(depot, 'www-data', 'id -Gn')).stdout.trim(), 'www-data')
      t.is(await depot.download(url), sha256)
      // Their own group is still nginx’s too: PHP’s socket is open to it.
      const groups = await machine.sh(`sed -n 's/^Groups://p' /proc/${workers[0]}/status`)
      t.true(groups.trim().split(/\s+/).includes('33'))
    },
  },
  {
    title: 'a machine on which the Bot API server shared the bot’s user is taken over, links and all',
    limit: 420,
    async run(t, depot) {
      const { machine } = depot
      const spec = { kind: 'document', name: 'shared.bin', size: 70_000, unique_id: 'AgADshared' } as const
      const before = await depot.send(1053, spec)
      // As the release before left it: one user, closed modes, a file that has a name in both folders.
      await machine.sh(`systemctl stop tgdepot-bot ${server}
        folder=${dataFolder}/bot-api; chown -R tgdepot:tgdepot $folder; chmod -R go= $folder
        type=$(dirname "$(find $folder -path '*/documents' -not -path '*cloud*')")/documents
        chown tgdepot:tgdepot ${depot.storePath(before.uuid)}; chmod 644 ${depot.storePath(before.uuid)}
        ln ${depot.storePath(before.uuid)} "$type/file_99.bin"
        gpasswd --add www-data tgdepot-files`)
      const { code, stdout, stderr } = await depot.install('--yes')
      t.is(code, 0, stdout + stderr)
      t.is(await machine.sh(`find ${dataFolder}/bot-api -not -user tgdepot-api`), '')
      t.notRegex(await machine.sh('id -Gn www-data'), /tgdepot-files/)
      const again = await depot.send(1054, spec)
      const inodes = `stat --format=%i ${depot.storePath(before.uuid)} ${depot.storePath(again.uuid)}`
      t.is(new Set((await machine.sh(inodes)).split('\n')).size, 1, 'another name, and no copy')
      t.is(await depot.download(before.url), before.sha256)
      t.is(await depot.download(again.url), before.sha256)
      t.notRegex((await depot.install('--yes')).stdout, /^changed/m)
    },
  },
]
