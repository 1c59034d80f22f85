// npm before 11.6 deletes node_modules/.bin/node when both runtime packages are listed (npm/cli#4362):
// the package for the other architecture is removed together with the link of the same name.
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'

const runtime = `node-linux-${process.arch}/bin/node`
if (existsSync(`node_modules/${runtime}`)) {
  mkdirSync('node_modules/.bin', { recursive: true })
  rmSync('node_modules/.bin/node', { force: true })
  symlinkSync(`../${runtime}`, 'node_modules/.bin/node')
}
