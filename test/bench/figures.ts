/** What one measurement gave, a figure for each round. */
export type Series = number[]

export interface Table {
  columns: string[]
  rows: (string | number)[][]
}

/** What a part of the bench found out. */
export interface Findings {
  /** One line on what was measured, and how. */
  method: string
  table: Table
  /** Sentences below the table: ratios and what they are to be compared with. */
  conclusions: string[]
  /** Everything measured, for the JSON file. */
  raw: object
}

export function median(series: Series): number {
  if (series.length === 0) throw new Error('no figures')
  const sorted = [...series].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const [low, high] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]] as [
    number,
    number,
  ]
  return (low + high) / 2
}

/** Lowest and highest: `3 to 9`. */
export function spread(series: Series, digits = 0): string {
  return `${Math.min(...series).toFixed(digits)} to ${Math.max(...series).toFixed(digits)}`
}

/** The value below which a share (0 to 1) of the series lies. */
export function quantile(series: Series, share: number): number {
  if (series.length === 0) throw new Error('no figures')
  const sorted = [...series].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number
}

export const seconds = (milliseconds: number) => (milliseconds / 1000).toFixed(1)

/** How `figure` stands to the goal, as words; the bench reports and does not fail. */
export function against(figure: number, relation: 'below' | 'at least', goal: number, unit = ''): string {
  const met = relation === 'below' ? figure < goal : figure >= goal
  return `${met ? 'met' : 'MISSED'}: the goal is ${relation} ${goal}${unit && ` ${unit}`}`
}

/** The table with aligned columns; numbers to the right. */
export function render({ columns, rows }: Table): string {
  const cells = [columns, ...rows.map((row) => row.map(String))]
  const widths = columns.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)))
  const line = (row: string[]) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return column === 0 ? cell.padEnd(width) : cell.padStart(width)
      })
      .join('   ')
      .trimEnd()
  const rule = widths.map((width) => '-'.repeat(width)).join('   ')
  return [line(columns), rule, ...cells.slice(1).map(line)].join('\n')
}
