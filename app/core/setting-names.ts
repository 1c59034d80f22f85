import { readFileSync } from 'node:fs'
import { closestMatch } from 'leven'
import { codeOf } from './errors.ts'

/** Names that a settings file may hold for others: for Node, the C library, and whatever goes through a proxy. */
const ofOthers = /^(NODE_\w+|UV_\w+|MALLOC_\w+|LC_\w+|LANG|TZ|SSL_CERT_\w+|\w+_proxy)$/i

/** So many letters may be wrong, missing or too much in a name that was meant to be another one. */
const mistyped = { maxDistance: 2 }

/**
 * Finds settings that nobody reads, most likely mistyped: every unknown name in the file `$SETTINGS_FILE`, and in the
 * environment, which holds much of others', what looks like one of `known`. Returns a fault for each.
 */
export function unknownSettings(known: string[], env: NodeJS.ProcessEnv): string[] {
  const { names, faults } = namesInFile(env.SETTINGS_FILE)
  for (const name of new Set([...names, ...Object.keys(env)])) {
    if (known.includes(name) || ofOthers.test(name)) continue
    const meant = closestMatch(name.toUpperCase(), known, mistyped)
    if (meant !== undefined) faults.push(`${name}: no such setting; is ${meant} meant?`)
    else if (names.includes(name)) faults.push(`${name}: no such setting`)
  }
  return faults
}

/** The names of lines as systemd reads them (systemd.exec(5), EnvironmentFile=). */
function namesInFile(file: string | undefined): { names: string[]; faults: string[] } {
  if (file === undefined) return { names: [], faults: [] }
  try {
    const lines = readFileSync(file, 'utf8').split('\n')
    const names = lines.flatMap((line) => /^\s*([^#;=\s][^=]*?)\s*=/.exec(line)?.[1] ?? [])
    return { names, faults: [] }
  } catch (error) {
    return { names: [], faults: [`SETTINGS_FILE: cannot be read (${codeOf(error)})`] }
  }
}
