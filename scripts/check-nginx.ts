#!/usr/bin/env node
// nginx's own test of the project's files, with and without TLS.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nginxProgram, writeNginxFiles } from '../test/helpers/nginx.ts'

if (nginxProgram === undefined) throw new Error('nginx is not installed')
for (const tls of [false, true]) {
  const folder = mkdtempSync(join(tmpdir(), 'tgdepot-nginx-'))
  const places = { socket: join(folder, 'web.sock'), store: join(folder, 'store') }
  const main = await writeNginxFiles({ folder, port: 18443, tls, ...places })
  const { status, stderr } = spawnSync(nginxProgram, ['-t', '-q', '-e', 'stderr', '-c', main], {
    encoding: 'utf8',
  })
  rmSync(folder, { recursive: true })
  if (status !== 0 || /\[(warn|emerg|alert)\]/.test(stderr)) {
    console.error(stderr)
    process.exitCode = 1
  }
}
