import test from 'ava'
import { SendRateLimiter, type Weight } from '../../app/outbox/send-rate-limiter.ts'

/** A clock that a test moves, in milliseconds, and the limiter that goes by it. */
function clocked() {
  let now = 1_000_000
  const clocks = { performance: performance.now, date: Date.now }
  performance.now = () => now
  Date.now = () => now
  return {
    limiter: new SendRateLimiter(),
    pass: (milliseconds: number) => {
      now += milliseconds
    },
    [Symbol.dispose]() {
      performance.now = clocks.performance
      Date.now = clocks.date
    },
  }
}

/** Makes as many calls as are allowed in `milliseconds`, `weight` each, for the chats in turn. */
function callsWithin(
  { limiter, pass }: ReturnType<typeof clocked>,
  milliseconds: number,
  chats: number[],
  weight: Weight = 'must',
): number {
  let calls = 0
  for (let at = 0; at < milliseconds; at += 10) {
    for (const chat of chats) {
      if (limiter.wait(chat, weight) > 0) continue
      limiter.take(chat)
      calls++
    }
    pass(10)
  }
  return calls
}

test.serial('a chat gets one call a second, after a short burst', (t) => {
  using clock = clocked()
  t.is(callsWithin(clock, 1000, [1]), 3)
  const calls = callsWithin(clock, 60_000, [1])
  t.true(calls >= 59 && calls <= 61, `${calls}`)
})

test.serial('who has to wait waits for the next call that is allowed, and no longer', (t) => {
  using clock = clocked()
  const { limiter, pass } = clock
  for (let chat = 1; chat <= 29; chat++) {
    t.is(limiter.wait(chat, 'must'), 0)
    limiter.take(chat)
    pass(10)
  }
  // The first of them leaves the window after 1.1 s, the next one 10 ms later.
  t.is(limiter.wait(30, 'must'), 810)
  t.is(limiter.closedFor, 810)
  pass(809)
  t.is(limiter.wait(30, 'must'), 1)
  pass(1)
  t.is(limiter.wait(30, 'must'), 0)
  limiter.take(30)
  t.is(limiter.wait(31, 'must'), 10)
  pass(2000)
  for (const _ of 'abc') {
    limiter.take(50)
    pass(100)
  }
  // One a second in a chat.
  t.is(limiter.wait(50, 'must'), 700)
  pass(700)
  t.is(limiter.wait(50, 'must'), 0)
})

test.serial('an album is as many messages as it has', (t) => {
  using clock = clocked()
  const { limiter, pass } = clock
  const group = -1
  limiter.take(group, 10)
  pass(1000)
  // After a burst of three, seven are owed, and one more is asked for.
  t.is(limiter.wait(group, 'must'), 7000)
  pass(9000)
  t.is(limiter.wait(group, 'must', 10), 0)
  limiter.take(group, 10)
  pass(20_000)
  t.true(limiter.wait(group, 'must') > 30_000, 'the minute is full')
  pass(31_000)
  t.is(limiter.wait(group, 'must', 10), 0, 'the first one is a minute ago')
  t.true(limiter.wait(group, 'must', 11) > 0)
})

test.serial('a group gets 20 calls in each minute, and never more', (t) => {
  using clock = clocked()
  const at: number[] = []
  for (let second = 0; second < 600; second++) {
    const calls = callsWithin(clock, 1000, [-100])
    for (let call = 0; call < calls; call++) at.push(second)
    const lastMinute = at.filter((then) => then > second - 60).length
    t.true(lastMinute <= 20, `${lastMinute} calls in the minute before ${second} s`)
  }
  t.true(at.length >= 190, `${at.length} calls in ten minutes`)
})

test.serial('a group that has used up its minute holds back no other chat', (t) => {
  using clock = clocked()
  callsWithin(clock, 30_000, [-100])
  t.true(clock.limiter.wait(-100, 'must') > 1000)
  for (const other of [-200, 300]) t.is(clock.limiter.wait(other, 'must'), 0)
})

test.serial('progress leaves half of a group’s minute to what must arrive', (t) => {
  using clock = clocked()
  t.is(callsWithin(clock, 50_000, [-100], 'progress'), 10)
  t.is(callsWithin(clock, 10_000, [-100]), 10)
})

test.serial('all chats together get less than 30 calls in every second, and nearly as many', (t) => {
  using clock = clocked()
  const { limiter, pass } = clock
  const at: number[] = []
  // Crowds with silences of every length between them.
  for (let now = 0; now < 60_000; now += 10) {
    const isSilent = now % 7000 < Math.floor(now / 7000) * 300
    for (let chat = 1; chat <= 500 && !isSilent; chat++) {
      if (limiter.wait(chat, 'must') > 0) continue
      limiter.take(chat)
      at.push(now)
    }
    pass(10)
  }
  const most = Math.max(...at.map((from) => at.filter((then) => then >= from && then < from + 1000).length))
  t.true(most < 30, `${most} in a second`)
  using busy = clocked()
  const chats = Array.from({ length: 500 }, (_, chat) => chat + 1)
  const calls = callsWithin(busy, 11_000, chats)
  t.is(calls, 290)
})

test.serial('after a silence the calls of one moment leave at once', (t) => {
  using clock = clocked()
  const chats = Array.from({ length: 500 }, (_, chat) => chat + 1)
  t.is(callsWithin(clock, 10, chats), 29)
})

test.serial('what only shows progress leaves room for what must arrive', (t) => {
  using clock = clocked()
  const chats = Array.from({ length: 500 }, (_, chat) => chat + 1)
  callsWithin(clock, 5000, chats, 'progress')
  const [chat = 0] = chats.filter((chat) => clock.limiter.wait(chat, 'must') === 0)
  t.true(chat > 0)
  let must = 0
  for (const other of Array.from({ length: 50 }, (_, at) => 10_000 + at)) {
    if (clock.limiter.wait(other, 'must') > 0) break
    clock.limiter.take(other)
    must++
  }
  t.true(must >= 2, `${must} calls at once were left`)
})

test.serial('a flood wait holds back its chat for exactly so long, and no other', (t) => {
  using clock = clocked()
  clock.limiter.hold(7, 5)
  t.is(clock.limiter.wait(7, 'must'), 5000)
  t.is(clock.limiter.wait(8, 'must'), 0)
  clock.pass(4999)
  t.is(clock.limiter.wait(7, 'must'), 1)
  clock.pass(1)
  t.is(clock.limiter.wait(7, 'must'), 0)
})

test.serial('a shorter flood wait does not end a longer one', (t) => {
  using clock = clocked()
  clock.limiter.hold(7, 60)
  clock.limiter.hold(7, 1)
  t.is(clock.limiter.wait(7, 'must'), 60_000)
})
