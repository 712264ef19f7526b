/** Which files a watcher's command stands on, and whether they changed (reference §9.2, D17). Pure. */
import { splitWords } from "@circus-cluster/proto";

/** What runs a program that is its first argument. */
const INTERPRETER = /^(?:python|pypy|node|nodejs|ruby|perl|php|bash|dash|sh|ksh|zsh|lua|deno|bun)[\d.]*$/;

export interface CommandFiles {
  /** To be looked up in PATH unless it has a slash. */
  readonly program: string;
  /** Where the program is an interpreter: words of which the first that is a file is its script. */
  readonly scripts: readonly string[];
}

/** Null where the command is no line of words. */
export function commandFiles(cmd: string, args: string): CommandFiles | null {
  const words = splitWords(`${cmd} ${args}`);
  const [program, ...rest] = words.ok ? words.words : [];
  if (program === undefined || program === "") return null;
  const name = program.slice(program.lastIndexOf("/") + 1);
  const scripts = INTERPRETER.test(name) ? rest.filter((word) => word !== "" && !word.startsWith("-")) : [];
  return { program, scripts };
}

/** What a file is known by: its real path, time and number. */
export type Fingerprint = string;

/** Watcher → the files of its command. A file that is not there now is a null. */
export type ReloaderState = ReadonlyMap<string, readonly (Fingerprint | null)[]>;

export interface Look {
  readonly watcher: string;
  readonly files: readonly (Fingerprint | null)[];
  /** A watcher that rests is not started because its file changed. */
  readonly isRunning: boolean;
}

/** The watchers to restart. One that is seen for the first time is only remembered; a file that is missing for a while is awaited. */
export function changed(
  state: ReloaderState,
  looks: readonly Look[],
): { readonly state: ReloaderState; readonly restarts: readonly string[] } {
  const next = new Map<string, readonly (Fingerprint | null)[]>();
  const restarts: string[] = [];
  for (const { watcher, files, isRunning } of looks) {
    const before = state.get(watcher);
    const now = files.map((file, i) => file ?? before?.[i] ?? null);
    const isSame = before === undefined || (before.length === now.length && now.every((file, i) => file === before[i]));
    if (!isSame && isRunning) restarts.push(watcher);
    next.set(watcher, now);
  }
  return { state: next, restarts };
}
