/** `$3, $4, …`: the places of some values in a statement, from a number on. */
export function places(values: unknown[], from: number): string {
  return values.map((_, i) => `$${i + from}`).join(', ')
}
