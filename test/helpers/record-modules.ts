// For --import: writes the address of every module that a process loads into the file $MODULES.
import { appendFileSync } from 'node:fs'
import { registerHooks } from 'node:module'

registerHooks({
  load(url, context, next) {
    appendFileSync(process.env.MODULES ?? '', `${url}\n`)
    return next(url, context)
  },
})
