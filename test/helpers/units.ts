import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A line of systemd/manifest. `-` there is an empty text or list here. */
export type Unit = {
  unit: string
  user: string
  enabled: string
  health: string
  secrets: string[]
  reads: string[]
}

/** The units that a manifest lists, in its order. */
export function readManifest(systemd: string): Unit[] {
  const text = readFileSync(join(systemd, 'manifest'), 'utf8')
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return lines.map((line) => {
    const [unit = '', user = '', enabled = '', health = '', secrets = '', reads = ''] = line
      .split(/\s+/)
      .map((column) => (column === '-' ? '' : column))
    const list = (column: string) => (column === '' ? [] : column.split(','))
    return { unit, user, enabled, health, secrets: list(secrets), reads: list(reads) }
  })
}
