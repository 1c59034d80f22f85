import { readFileSync } from 'node:fs'

/** `--username` and `--groupname`: gives up root. Throws on an unknown name. */
export function becomeUser(username: string | undefined, groupname: string | undefined): void {
  if (username === undefined) return
  const group = groupname ?? primaryGroup(username)
  process.setgroups?.([group])
  process.setgid?.(group)
  process.setuid?.(username)
}

function primaryGroup(username: string): number {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${username}:`))
  if (!line) throw new Error(`There is no user ${username}`)
  return Number(line.split(':')[3])
}
