/** From `cmd` and `args` to the words that are executed (reference §1.5, §2.9). Pure. */

import { type Lookup, substitute } from "../config/variables.ts";

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

export interface CommandLine {
  readonly cmd: string;
  readonly args: string | readonly string[];
  readonly shell: boolean;
  readonly shellArgs: string | null;
  readonly wid: number;
  readonly lookup: Lookup;
}

/** The argv of one process. With `shell` it is a real shell line, so that pipes and `&&` work (D7). */
export function buildArgv(line: CommandLine): Words {
  const fill = (text: string): string => substitute(text, line.lookup).replace(/\$WID\b/g, String(line.wid));
  const cmd = fill(line.cmd);
  const args = typeof line.args === "string" ? fill(line.args) : line.args.map(fill);
  if (line.shell) {
    if (cmd.trim() === "") return { ok: false, reason: "cmd is empty" };
    const tail = typeof args === "string" ? args : args.map(quoteWord).join(" ");
    const shellArgs = splitWords(fill(line.shellArgs ?? ""));
    if (!shellArgs.ok) return { ok: false, reason: `shell_args: ${shellArgs.reason}` };
    return { ok: true, words: ["/bin/sh", "-c", tail === "" ? cmd : `${cmd} ${tail}`, ...shellArgs.words] };
  }
  const head = splitWords(cmd);
  if (!head.ok) return { ok: false, reason: `cmd: ${head.reason}` };
  const rest: Words = typeof args === "string" ? splitWords(args) : { ok: true, words: args };
  if (!rest.ok) return { ok: false, reason: `args: ${rest.reason}` };
  const words = [...head.words, ...rest.words];
  return words.length === 0 || words[0] === "" ? { ok: false, reason: "cmd is empty" } : { ok: true, words };
}
