/**
 * Milliseconds since 1970 as the wall clock said when this process began, and from there only forward, at the pace of
 * real time: someone who sets the wall clock neither ends a wait nor makes it last. For due times, leases and windows;
 * what people see, and the ends of links, are wall time (`Date.now()`).
 */
export function monotonicNow(): number {
  return Math.round(performance.timeOrigin + performance.now())
}
