/**
 * What a page shows of a terminal: commands behind `$ ` with what they print below. A line `…` stands for any number of
 * lines. Pure, but for `Shell`.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { track } from "./leaks.ts";
import { cleanEnv } from "./process.ts";
import { within } from "./wait.ts";

export interface Step {
  readonly command: string;
  /** Lines below it. */
  readonly said: readonly string[];
}

/** @throws where a line stands before the first command */
export function stepsOf(text: string): readonly Step[] {
  const steps: { command: string; said: string[] }[] = [];
  for (const line of text.replace(/\n$/, "").split("\n")) {
    const last = steps.at(-1);
    if (line.startsWith("$ ")) steps.push({ command: line.slice(2), said: [] });
    else if (last === undefined) throw new Error(`'${line}' is behind no command`);
    else if (last.said.length === 0 && last.command.endsWith("\\")) last.command += `\n${line}`;
    else last.said.push(line);
  }
  return steps;
}

/** Commands of a block without output: one a line, further ones where a line ends in a backslash; remarks are none. */
export function commandsOf(text: string): readonly string[] {
  return text
    .replaceAll("\\\n", " ")
    .split("\n")
    .map((line) => line.replace(/(?:^|\s+)#(?: .*)?$/, "").trim())
    .filter((line) => line !== "");
}

/** What is another one each time, longest first: times, identities, durations, sizes, numbers of processes. */
const MASKS: readonly (readonly [RegExp, string])[] = [
  [/\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z?/g, "TIME"],
  [/\b\d\d:\d\d:\d\d(?:\.\d+)?\b/g, "TIME"],
  [/\b[0-9a-f]{8}-[0-9a-f-]{27}\b/g, "ID"],
  [/\b(?=[0-9a-z]*\d)(?=[0-9a-z]*[a-z])[0-9a-z]{8,}\b/g, "ID"],
  [/\brt[0-9a-z]{5}-[0-9a-f]{6}\b/g, "ID"],
  [/\bU[A-Z2-7]{7,}…?/g, "KEY"],
  [/\b(?:\d+(?:\.\d+)?(?:ms|[smhd]))+\b(?: ago)?|\b\d+(?:\.\d+)? ms\b|\bnow\b/g, "AGE"],
  [/\b(pid|uptime_ms|fd|schema)([ =])\d+\b/g, "$1$2N"],
  [/\b\d+ events\b/g, "N events"],
  [/\b\d+ of (?=\d{3})/g, "N of "],
  [/\b\d+(?:\.\d+)? ?(?:B|[kKMG]i?B?)\b/g, "SIZE"],
  [/\b\d+\.\d+\b|\b\d{3,}\b/g, "N"],
  [/ +/g, " "],
];

export function masked(line: string): string {
  return MASKS.reduce((text, [pattern, word]) => text.replaceAll(pattern, word), line).trimEnd();
}

/** Is this what was shown? */
export function isAsShown(shown: readonly string[], actual: readonly string[]): boolean {
  const [first, ...rest] = shown;
  if (first === undefined) return actual.length === 0;
  if (first === "…") return actual.some((_, at) => isAsShown(rest, actual.slice(at))) || isAsShown(rest, []);
  return actual[0] !== undefined && masked(first) === masked(actual[0]) && isAsShown(rest, actual.slice(1));
}

/** What only asks, and so may be asked again until what was done before has got about. */
export function isQuestion(command: string): boolean {
  const words = command.replaceAll(/--(?:host|where|endpoint|since|kind|timeout) \S+|--\w[\w-]*|\w+=\S+/g, " ");
  const asks =
    /^\s*(?:circusctl\s+(?:status|hosts|history|events|uptime|doctor|stats|list|logs|rollout\s+(?:list|show))\b|curl\b)/;
  return asks.test(words) && !/[>&]\s/.test(command);
}

/** Which goes on until somebody ends it. */
function isFollower(command: string): boolean {
  return /^\S+.*(?: -f\b| --follow\b| rollout watch\b| listen\b| top\b(?!.*--count))/.test(command);
}

export interface Said {
  readonly code: number;
  /** Of both outputs, in their order. */
  readonly lines: readonly string[];
}

/** One bash for the commands of a page, which keeps variables and the directory between them. */
export class Shell implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #untrack: () => void;
  #heard = "";
  #wake: () => void = () => undefined;

  constructor(cwd: string, env: Readonly<Record<string, string>>) {
    this.#child = spawn("bash", ["--norc"], { cwd, env: cleanEnv(env), detached: true, stdio: "pipe" });
    this.#untrack = track("bash of a page", () => this.#kill());
    const hear = (text: string): void => {
      this.#heard += text;
      this.#wake();
    };
    this.#child.stdout?.setEncoding("utf8").on("data", hear);
    this.#child.stdin?.on("error", () => undefined).write("exec 2>&1\n");
    this.#child.once("close", () => this.#wake());
  }

  /** @throws after `deadlineMs`, or where bash itself has ended */
  async run(command: string, deadlineMs = 90_000): Promise<Said> {
    const mark = `end-${randomBytes(6).toString("hex")}`;
    const script = isFollower(command) ? followed(command) : command;
    this.#heard = "";
    this.#child.stdin?.write(`{ ${script}\n} </dev/null; echo "${mark} $?"\n`);
    const end = new RegExp(`^([^]*?)${mark} (\\d+)\\n`);
    const said = async (): Promise<Said> => {
      for (;;) {
        const [, text = "", code] = end.exec(this.#heard) ?? [];
        if (code !== undefined) return { code: Number(code), lines: text.split("\n").slice(0, -1) };
        if (this.#child.exitCode !== null) throw new Error(`bash has ended: ${this.#heard}`);
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    };
    return await within(`${command}\n${this.#heard}`, deadlineMs, said());
  }

  #kill(): void {
    try {
      if (this.#child.pid !== undefined) process.kill(-this.#child.pid, "SIGKILL");
    } catch {
      // it has ended
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.stdin?.end();
    this.#kill();
    await closed;
    this.#untrack();
  }
}

/** Begins it, waits for its first words, interrupts it as Ctrl-C would. 130 is its usual end. */
function followed(command: string): string {
  return `said=$(mktemp); set -m; { ${command}
} >"$said" 2>&1 & set +m; until [ -s "$said" ] || ! kill -0 $! 2>/dev/null; do sleep 0.05; done
kill -INT -- -$! 2>/dev/null; wait $!; code=$?; cat "$said"; rm "$said"; case $code in 130 | 1) [ -n "$said" ];; *) (exit $code);; esac`;
}
