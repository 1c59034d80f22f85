// Loaded into a role by --import: writes the delays of its event loop to $LOOP_DELAY_FILE, once a second.
import { writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'

const resolution = 5
const delays = monitorEventLoopDelay({ resolution })
delays.enable()
const milliseconds = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - resolution)
setInterval(() => {
  const { max } = delays
  const found = {
    p50: milliseconds(delays.percentile(50)),
    p99: milliseconds(delays.percentile(99)),
    max: milliseconds(max),
  }
  writeFileSync(process.env.LOOP_DELAY_FILE ?? '/dev/null', JSON.stringify(found))
}, 1000).unref()
