/**
 * The interactive shell: commands one after another, each as on a command line (reference §5.7). Other than in Circus a
 * mistake does not end it, and an empty line does not repeat the last command. A bundle of its own, loaded by need.
 */
import { CIRCUS_VERSION, EXIT, quoteWord } from "@circus-cluster/proto";
import type { Request } from "../argv.ts";
import { type Ask, complete } from "../completion/complete.ts";
import { typedLine } from "../completion/line.ts";
import type { Io } from "../io.ts";
import { openHistory } from "./history.ts";
import { type Completer, type Lines, pipedLines, terminalLines } from "./lines.ts";
import { type Step, stepOf } from "./step.ts";

const PROMPT = "(circusctl) ";

/** What the entry of the program lends: both ways in run the same code. */
export interface ShellParts {
  readonly run: (request: Request, io: Io) => Promise<number>;
  readonly help: (words: readonly string[], io: Io) => Promise<number>;
  readonly ask: Ask;
}

/** @param options of the command line, for every line. @returns the exit code: always 0 (reference §5.7). */
export async function runShell(options: Request["options"], io: Io, parts: ShellParts): Promise<number> {
  io.out(`circusctl ${CIRCUS_VERSION}\n`);
  await interruptible(io, parts.run({ verb: "status", words: [], options }, io));
  const lines = io.isInTty ? terminalLines(openHistory(io.env), completerOf(options, io, parts.ask)) : pipedLines(io);
  const inside: Io = { ...io, ask: (question) => asked(lines, question, io) };
  for (;;) {
    const line = await lines.next(PROMPT);
    if (line === null) break;
    const step = stepOf(line, options);
    if (step.kind === "leave") break;
    lines.release();
    await interruptible(io, perform(step, inside, parts));
  }
  lines.close();
  io.out("\n");
  return EXIT.ok;
}

async function perform(step: Exclude<Step, { kind: "leave" }>, io: Io, { run, help }: ShellParts): Promise<void> {
  if (step.kind === "run") await run(step.request, io);
  else if (step.kind === "help") await help(step.words, io);
  else if (step.kind === "mistake") io.err(`circusctl: ${step.text}\n`);
  else if (step.kind === "say") io.out(`${step.text}\n`);
  else if (step.kind === "version") io.out(`circusctl ${CIRCUS_VERSION}\n`);
}

/** Ctrl-C ends the waiting for a command, not the shell; what was sent is not taken back. */
async function interruptible(io: Io, work: Promise<unknown>): Promise<void> {
  let undo = (): void => undefined;
  const interrupted = new Promise<void>((resolve) => {
    undo = io.onInterrupt(() => {
      io.out("\n");
      resolve();
    });
  });
  await Promise.race([work, interrupted]);
  undo();
}

async function asked(lines: Lines, question: string, io: Io): Promise<string | null> {
  return io.isInTty ? await lines.next(question) : null;
}

/** Like the shells' own: the options of the start stand before the line. */
function completerOf(options: Request["options"], io: Io, ask: Ask): Completer {
  const given = Object.entries(options).map(([name, value]) => (value === true ? `--${name}` : `--${name}=${value}`));
  return async (text) => {
    const { words, tail } = typedLine(text);
    const { candidates } = await complete([...given, ...words], io.env, ask);
    return [candidates.map(({ word }) => `${quoteWord(word)}${candidates.length === 1 ? " " : ""}`), tail];
  };
}
