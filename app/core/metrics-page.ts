import { isTrusted } from './administrator.ts'
import type { Health } from './health.ts'
import type { Context } from './http.ts'
import { type Metric, type Metrics, type Shown, textOf } from './metrics.ts'
import { showNotFound } from './page.ts'

/** Known by the role that shows it, at the moment of the question. */
const partOk: Metric = {
  name: 'tgdepot_part_ok',
  help: 'Whether a part of /health works.',
  type: 'gauge',
  labels: ['part'],
}

/** The handler of /metrics, for who may know details of /health: figures as Prometheus reads them. */
export function metricsPage(metrics: Metrics, health: Health, adminToken: string | undefined) {
  return async (ctx: Context): Promise<void> => {
    ctx.set('Cache-Control', 'no-store')
    if (!isTrusted(ctx, adminToken)) {
      // Without a token there is nothing to ask a stranger for.
      if (adminToken === undefined) return showNotFound(ctx)
      ctx.status = 401
      ctx.set('WWW-Authenticate', 'Bearer')
      ctx.body = { error: 'unauthorized', message: 'Send Authorization: Bearer <ADMIN_TOKEN>.' }
      return
    }
    const parts = Object.entries(await health.read())
    const samples = parts.map(([part, { ok }]) => ({ labels: textOf({ part }), value: Number(ok) }))
    const shown = [...(await metrics.list()), { metric: partOk, samples }]
    ctx.type = 'text/plain; version=0.0.4; charset=utf-8'
    ctx.body = shown.flatMap(linesOf).join('')
  }
}

/** prometheus.io/docs/instrumenting/exposition_formats, text format; a metric without a value is left out. */
function linesOf({ metric: { name, help, type }, samples }: Shown): string[] {
  if (samples.length === 0) return []
  const values = samples.map(({ labels, value }) => `${name}${labels && `{${labels}}`} ${value}\n`)
  return [`# HELP ${name} ${help}\n`, `# TYPE ${name} ${type}\n`, ...values]
}
