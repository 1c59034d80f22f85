/** A text in the languages that know it. */
export interface Translated {
  en: string
  [language: string]: string
}

/** Texts by language, under the same names in each. English has all of them, and stands in for what another lacks. */
export class Catalogue<T extends object> {
  readonly #languages: Map<string, T>

  /** @param texts by the language's IETF tag in lower case */
  constructor(texts: { en: T } & Record<string, Partial<T>>) {
    this.#languages = new Map(
      Object.entries(texts).map(([language, own]) => [language, { ...texts.en, ...own }]),
    )
  }

  /** The texts for somebody whose language has this tag; those of `pt` for `pt-BR`, if there are none of its own. */
  in(tag = 'en'): T {
    const exact = tag.toLowerCase()
    const [language = ''] = exact.split('-')
    const found = [exact, language, 'en'].find((known) => this.#languages.has(known))
    return this.#languages.get(found ?? 'en') as T
  }

  /** One text in all languages. */
  each(pick: (texts: T) => string): Translated {
    return { en: pick(this.in()), ...this.#picked(pick) }
  }

  #picked(pick: (texts: T) => string): Record<string, string> {
    return Object.fromEntries([...this.#languages].map(([language, texts]) => [language, pick(texts)]))
  }
}
