/** Yes and no as configurations and commands write them (reference §1.4). Pure. */

const WORDS: ReadonlyMap<string, boolean> = new Map([
  ...["yes", "true", "on", "1"].map((word) => [word, true] as const),
  ...["no", "false", "off", "0"].map((word) => [word, false] as const),
]);

/** In any case, without blanks around it; null where it is neither. */
export function parseBoolean(word: string): boolean | null {
  return WORDS.get(word.toLowerCase()) ?? null;
}
