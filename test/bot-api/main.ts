import { CommandLineError, readCommandLine, usage, VERSION } from './command-line.ts'
import { QueueLocked } from './server/update-queue.ts'
import { startServer } from './start-server.ts'

async function main(): Promise<void> {
  const options = readCommandLine(process.argv.slice(2), process.env)
  if (options === 'version') return console.log(VERSION)
  if (options === 'help') return console.log(usage())
  const server = await startServer(options)
  let isStopping = false
  const stop = () => {
    if (isStopping) process.exit(0)
    isStopping = true
    void server.stop().then(() => process.exit(0))
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGQUIT'] as const) process.on(signal, stop)
  for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) process.on(signal, server.reopenLog)
  process.on('SIGHUP', () => {})
  await server.listening
  // A test that started this program learns that it may call, and takes it along when it ends.
  process.send?.('listening')
  process.on('disconnect', () => process.exit(0))
}

main().catch((error: Error) => {
  const isExpected = error instanceof CommandLineError || error instanceof QueueLocked
  console.error(isExpected ? error.message : error)
  process.exit(1)
})
