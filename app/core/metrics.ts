import type { Migration } from './database/migrations.ts'
import type { Queries } from './database/reader.ts'
import type { Log } from './log.ts'

export const metricsMigrations: Migration[] = [
  {
    name: 'metrics-1',
    statements: [
      `CREATE TABLE metrics (
        name TEXT NOT NULL,
        labels TEXT NOT NULL,
        value DOUBLE PRECISION NOT NULL,
        adds INTEGER NOT NULL,
        written_at BIGINT NOT NULL,
        PRIMARY KEY (name, labels)
      )`,
    ],
  },
]

export type Labels = Record<string, string>

/** A value of a metric; of one with labels, for these. */
export interface Sample {
  value: number
  labels?: Labels
}

/** A figure that /metrics shows. */
export interface Metric {
  name: `tgdepot_${string}`
  help: string
  /** A counter only grows, also over restarts; what was counted in the last seconds before a crash is lost. */
  type: 'counter' | 'gauge'
  /** Names of its labels. Each of them has few values: every value is a row. */
  labels?: string[]
  /**
   * Of a gauge that is in the tables: asked for by the bot role at intervals. It is cheap, since nothing else of the
   * process is done meanwhile.
   */
  read?(database: Queries): Promise<Sample[]>
}

/** What /metrics shows of one metric. */
export interface Shown {
  metric: Metric
  samples: { labels: string; value: number }[]
}

/** Milliseconds between two writes. */
const interval = 30_000

/** Milliseconds before the first: a role that starts has more urgent work. */
const pause = 3000

/** Milliseconds after which the role that knows a gauge is silent, and the figure nobody's any more. */
const staleAfter = 3 * interval

interface Pending {
  name: string
  labels: string
  value: number
  adds: boolean
}

interface Row extends Record<string, unknown> {
  name: string
  labels: string
  value: number
  written_at: number
}

/**
 * Figures about the program. To set or to count one is a change in memory; at intervals one statement writes what has
 * changed, since the role that shows them is another than those that know them.
 */
export class Metrics {
  readonly #database: Queries
  readonly #declared: Map<string, Metric>
  #pending = new Map<string, Pending>()
  /** Labels with which gauges were read: one that has no value any more is at 0. */
  readonly #read = new Map<Metric, Map<string, Labels>>()

  /** @param declared all that there are */
  constructor(database: Queries, declared: Metric[]) {
    this.#database = database
    this.#declared = new Map(declared.map((metric) => [metric.name, metric]))
  }

  /** @throws TypeError for what nobody declared */
  set(name: Metric['name'], value: number, labels: Labels = {}): void {
    const text = this.#labelsOf(name, 'gauge', labels)
    this.#pending.set(`${name}{${text}}`, { name, labels: text, value, adds: false })
  }

  /** Counts something. @throws TypeError for what nobody declared */
  add(name: Metric['name'], by = 1, labels: Labels = {}): void {
    const text = this.#labelsOf(name, 'counter', labels)
    const key = `${name}{${text}}`
    const value = (this.#pending.get(key)?.value ?? 0) + by
    this.#pending.set(key, { name, labels: text, value, adds: true })
  }

  /**
   * Writes at intervals what changes, and for the last time when it is disposed of.
   * @param reads whether this process reads what is in the tables
   */
  start(log: Log, { reads }: { reads: boolean }): AsyncDisposable {
    const work = async (reads: boolean) => {
      try {
        if (reads) await this.read()
        await this.write()
      } catch (error) {
        log.debug({ error }, 'metrics not written')
      }
    }
    let last = Promise.resolve()
    const begin = () => {
      last = last.then(() => work(reads))
    }
    const timers = [setTimeout(begin, pause), setInterval(begin, interval)]
    return {
      async [Symbol.asyncDispose]() {
        for (const timer of timers) clearTimeout(timer)
        await last.then(() => work(false))
      },
    }
  }

  /** Sets the gauges that are in the tables. */
  async read(): Promise<void> {
    for (const metric of this.#declared.values()) {
      if (!metric.read) continue
      const samples = await metric.read(this.#database)
      const seen = this.#read.get(metric) ?? new Map<string, Labels>()
      this.#read.set(metric, seen)
      for (const labels of seen.values()) this.set(metric.name, 0, labels)
      for (const { value, labels = {} } of samples) {
        this.set(metric.name, value, labels)
        seen.set(textOf(labels), labels)
      }
    }
  }

  /** Writes what has changed; what could not be written is kept for the next time. */
  async write(): Promise<void> {
    if (this.#pending.size === 0) return
    const pending = this.#pending
    this.#pending = new Map()
    const rows = [...pending.values()]
    const places = rows.map((_, i) => `(${[1, 2, 3, 4].map((at) => `$${4 * i + at + 1}`).join(', ')}, $1)`)
    try {
      await this.#database.query(
        `INSERT INTO metrics (name, labels, value, adds, written_at) VALUES ${places.join(', ')}
         ON CONFLICT (name, labels) DO UPDATE SET written_at = excluded.written_at,
           value = CASE WHEN excluded.adds = 1 THEN metrics.value + excluded.value ELSE excluded.value END`,
        Date.now(),
        ...rows.flatMap(({ name, labels, value, adds }) => [name, labels, value, Number(adds)]),
      )
    } catch (error) {
      for (const [key, old] of pending) {
        const since = this.#pending.get(key)
        if (!since) this.#pending.set(key, old)
        else if (old.adds) since.value += old.value
      }
      throw error
    }
  }

  /** All that is known, whoever wrote it; a gauge only as long as somebody goes on to write it. */
  async list(): Promise<Shown[]> {
    const rows = await this.#database.query<Row>('SELECT name, labels, value, written_at FROM metrics')
    const known = Map.groupBy(rows, ({ name }) => name)
    return [...this.#declared.values()].map((metric) => {
      const now = Date.now()
      const current = (known.get(metric.name) ?? []).filter(
        ({ written_at }) => metric.type === 'counter' || Math.abs(now - Number(written_at)) < staleAfter,
      )
      const samples = current.map(({ labels, value }) => ({ labels, value }))
      return { metric, samples: samples.sort((a, b) => (a.labels < b.labels ? -1 : 1)) }
    })
  }

  #labelsOf(name: string, type: Metric['type'], labels: Labels): string {
    const metric = this.#declared.get(name)
    const isDeclared = metric?.type === type && String(Object.keys(labels)) === String(metric.labels ?? [])
    if (!isDeclared)
      throw new TypeError(`no ${type} ${name} with the labels ${Object.keys(labels)} is declared`)
    return textOf(labels)
  }
}

/** As /metrics has them between braces. */
export function textOf(labels: Labels): string {
  const escaped = (value: string) => value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(',')
}
