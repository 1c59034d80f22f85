import { join } from 'node:path'
import { type Depot, domain } from '../depot.ts'
import { waitFor } from '../host.ts'
import type { Step } from '../step.ts'

const authority = 'https://localhost:14000/dir'
const folder = '/root/authority'
const settings = {
  pebble: {
    listenAddress: '127.0.0.1:14000',
    managementListenAddress: '127.0.0.1:15000',
    certificate: `${folder}/cert.pem`,
    privateKey: `${folder}/key.pem`,
    httpPort: 80,
    tlsPort: 443,
  },
}

/** By itself Pebble refuses some requests and waits at random, to try its clients. */
const calm = '--setenv=PEBBLE_WFE_NONCEREJECT=0 --setenv=PEBBLE_VA_NOSLEEP=1'

/** Starts Pebble, the ACME test server of the people of Let's Encrypt, as an authority that the machine trusts. */
async function startAuthority({ machine }: Depot): Promise<void> {
  await machine.sh('DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends pebble', {
    timeout: 120_000,
  })
  await machine.writeFile(`${folder}/settings.json`, JSON.stringify(settings))
  await machine.sh(
    `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
      -addext subjectAltName=DNS:localhost -keyout ${folder}/key.pem -out ${folder}/cert.pem && \
     cp ${folder}/cert.pem /usr/local/share/ca-certificates/authority.crt && update-ca-certificates && \
     echo '${machine.address} ${domain}' >>/etc/hosts && \
     systemd-run --quiet --unit=authority ${calm} pebble -config ${folder}/settings.json`,
  )
  await waitFor('the authority to answer', 20_000, async () => {
    const { code } = await machine.run(`curl --silent --fail --output /dev/null ${authority}`)
    return code === 0
  })
  await machine.sh(`curl --silent --fail --output ${folder}/root.pem https://localhost:15000/roots/0`)
}

/** Options of curl for a visitor who trusts the authority and nobody else. */
function trusting({ machine }: Depot): string[] {
  return ['--cacert', join(machine.tree, folder, 'root.pem')]
}

/** The serial number of the certificate that nginx serves. */
async function serial({ machine }: Depot): Promise<string> {
  return await machine.sh(
    `openssl s_client -connect ${machine.address}:443 -servername ${domain} </dev/null 2>/dev/null | openssl x509 -noout -serial`,
  )
}

export const certificate: Step[] = [
  {
    title: 'a certificate by ACME replaces the self-signed one, and the links go on',
    limit: 420,
    async run(t, depot) {
      await startAuthority(depot)
      const { url, sha256 } = await depot.send(1040, { kind: 'document', name: 'before.bin' })
      const flags = `--yes --tls acme --email owner@${domain} --acme-server ${authority}`
      const { code, stdout, stderr } = await depot.install(flags)
      t.is(code, 0, stdout + stderr)
      t.is((await depot.get('/health', ...trusting(depot))).status, 200)
      t.is(
        (await depot.visit(`$CURL ${trusting(depot).join(' ')} '${url}' | sha256sum`)).slice(0, 64),
        sha256,
      )
    },
  },
  {
    title: 'a renewed certificate is served without anybody’s help',
    async run(t, depot) {
      const before = await serial(depot)
      await depot.machine.sh('certbot renew --quiet --force-renewal --no-random-sleep-on-renew', {
        timeout: 100_000,
      })
      await waitFor(
        'nginx to serve the new certificate',
        20_000,
        async () => (await serial(depot)) !== before,
      )
      t.is((await depot.get('/health', ...trusting(depot))).status, 200)
    },
  },
  {
    title: 'with a good certificate the installer asks no authority and changes nothing',
    limit: 420,
    async run(t, depot) {
      await depot.machine.sh('systemctl stop authority')
      const before = await serial(depot)
      const { code, stdout, stderr } = await depot.install('--yes')
      t.is(code, 0, stdout + stderr)
      t.notRegex(stdout, /^changed/m)
      t.is(await serial(depot), before)
    },
  },
  {
    title: 'and back to a self-signed one',
    isBasic: true,
    limit: 420,
    async run(t, depot) {
      const { code, stdout, stderr } = await depot.install('--yes --tls self-signed')
      t.is(code, 0, stdout + stderr)
      t.is((await depot.get('/health')).status, 200)
    },
  },
]
