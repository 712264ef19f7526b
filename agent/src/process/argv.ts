/** From `cmd` and `args` to the words that are executed (reference §1.5, §2.9). Pure. */
import { quoteWord, splitWords, type Words } from "@circus-cluster/proto";
import { type Lookup, substitute } from "../config/variables.ts";

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
