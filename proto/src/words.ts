/** Words of a line as Python's `shlex` and a POSIX shell see them (reference §2.9). Pure. */

export type Words =
  | { readonly ok: true; readonly words: readonly string[] }
  | { readonly ok: false; readonly reason: string };

/** Python's shlex: a no-break space or form feed belongs to its word. */
const BLANK = new Set([" ", "\t", "\r", "\n"]);

/** Splits as a POSIX shell does: quotes and backslashes, no expansion. */
export function splitWords(text: string): Words {
  const words: string[] = [];
  let word: string | null = null;
  let quote: "'" | '"' | null = null;
  for (let i = 0; i < text.length; i++) {
    const char = text[i] ?? "";
    if (quote === "'") {
      if (char === "'") quote = null;
      else word = (word ?? "") + char;
    } else if (char === "\\") {
      const next = text[i + 1];
      if (next === undefined) return { ok: false, reason: "No escaped character" };
      word = (word ?? "") + (quote === '"' && next !== '"' && next !== "\\" ? `\\${next}` : next);
      i++;
    } else if (quote === '"') {
      if (char === '"') quote = null;
      else word = (word ?? "") + char;
    } else if (char === "'" || char === '"') {
      quote = char;
      word ??= "";
    } else if (BLANK.has(char)) {
      if (word !== null) words.push(word);
      word = null;
    } else word = (word ?? "") + char;
  }
  if (quote !== null) return { ok: false, reason: "No closing quotation" };
  if (word !== null) words.push(word);
  return { ok: true, words };
}

/** One word so that {@link splitWords}, and a shell, reads it back. */
export function quoteWord(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}
