/** Completion, as the shells ask for it. A bundle of its own, loaded by need. */
import { EXIT } from "@circus-cluster/proto";
import type { Io } from "../io.ts";
import { COMPLETE_WORD } from "../verbs.ts";
import { type Ask, complete } from "./complete.ts";
import { typedLine } from "./line.ts";
import { FILES, SCRIPTS } from "./scripts.ts";
import { firstWords, SHELLS } from "./wanted.ts";

/** `circusctl completion SHELL`. @returns the exit code. */
export function printCompletion([shell = ""]: readonly string[], io: Io): number {
  const name = SHELLS.find((known) => known === shell);
  if (name === undefined) {
    io.err(`circusctl: completion ${shell}: there are ${SHELLS.join(", ")}\n`);
    return EXIT.local;
  }
  io.out(SCRIPTS[name]);
  return EXIT.ok;
}

/**
 * Circus's own script sets `AUTO_COMPLETE`, `COMP_WORDS`, `COMP_CWORD`: the first word only, separated by blanks,
 * exit 1 (reference §5.7).
 */
function answerCircus({ env }: Io): string {
  const at = Number(env["COMP_CWORD"]);
  const begun = (env["COMP_WORDS"] ?? "").split(/\s+/)[at] ?? "";
  const words = firstWords().map(({ word }) => word);
  if (at !== 1) return "";
  return `${words
    .filter((word) => word.startsWith(begun))
    .sort()
    .join(" ")}\n`;
}

/**
 * The scripts' question: `__complete WORD…`, the last one at the cursor; `__complete --line TEXT`, the whole line up to
 * the cursor. One candidate a line, a tab, what it is.
 *
 * @returns the exit code.
 */
export async function answerShell(argv: readonly string[], io: Io, ask: Ask): Promise<number> {
  if (argv[0] !== COMPLETE_WORD) {
    io.out(answerCircus(io));
    return EXIT.local;
  }
  const [, option, text = ""] = argv;
  const line = option === "--line" ? typedLine(text).words.slice(1) : argv.slice(1);
  const { candidates, isFile } = await complete(line, io.env, ask);
  for (const { word, doc } of candidates) io.out(`${word}\t${doc.replaceAll(/\s+/g, " ")}\n`);
  if (isFile) io.out(`${FILES}\n`);
  return EXIT.ok;
}
