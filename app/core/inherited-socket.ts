/** The first descriptor that systemd hands to a program: sd_listen_fds(3). */
const first = 3

/** The socket that systemd listens on for this process, if it does; it outlives the process, with all who wait. */
export function inheritedSocket(env: NodeJS.ProcessEnv, pid: number): number | undefined {
  return Number(env.LISTEN_FDS) >= 1 && Number(env.LISTEN_PID) === pid ? first : undefined
}
