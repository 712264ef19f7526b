/**
 * circusd's own command line (reference §7). Pure: words in, one decision out. Long options may be shortened while
 * that is unambiguous, and take their value after `=` or as the next word, as Circus's parser has it.
 */
import { loggerConfigProblem, parseLogOutput } from "./config/log-output.ts";

export const USAGE = `usage: circusd [-h] [--log-level LEVEL] [--log-output FILE] [--logger-config FILE]
               [--daemon] [--pidfile FILE] [--no-adopt] [--version] [--check [--json]] [config]`;

export const HELP = `${USAGE}

Run some watchers.

positional arguments:
  config                configuration file

options:
  -h, --help            show this help message and exit
  --log-level LEVEL     critical, error, warning, info or debug
  --log-output FILE     where the log goes: a file, - for stdout, syslog://HOST[:PORT][?FACILITY] or
                        syslog:///SOCKET[?FACILITY] (default: stderr)
  --logger-config FILE  only 'default': a configuration of Python's logging cannot be followed
  --daemon              go to the background once everything is bound; what is in the way of that is said first
  --pidfile FILE        write the pid to this file
  --no-adopt            stop the workers that an earlier circusd left, instead of adopting them
  --version             show the version of Circus that this one speaks for, and exit
  --check               check the configuration and exit: 0 if it is usable, 1 if not
  --json                with --check: print the resolved configuration as JSON`;

/** In the order of severity, as `--log-level` names them in lower or upper case. */
const LOG_LEVELS = ["critical", "error", "warning", "info", "debug"] as const;
type LogLevelName = (typeof LOG_LEVELS)[number];

export type Options =
  | {
      readonly kind: "run";
      readonly configPath: string;
      /** These three beat what the file says; null: not given. */
      readonly loglevel: LogLevelName | null;
      readonly logoutput: string | null;
      readonly pidfile: string | null;
      /** To the background. */
      readonly isDaemon: boolean;
      /** Stops what an earlier circusd left. */
      readonly isAdoptionRefused: boolean;
    }
  | { readonly kind: "check"; readonly configPath: string; readonly json: boolean }
  /** Exit 0; `text` is the usage alone where no configuration was named. */
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "version" }
  /** Exit 2; `message` is one line, for stderr after {@link USAGE}. */
  | { readonly kind: "usage-error"; readonly message: string };

const FLAGS = ["--help", "--daemon", "--no-adopt", "--version", "--check", "--json"] as const;
const VALUED = ["--log-level", "--log-output", "--logger-config", "--pidfile"] as const;
type Flag = (typeof FLAGS)[number];
type Valued = (typeof VALUED)[number];

interface Words {
  readonly flags: ReadonlySet<Flag>;
  readonly values: ReadonlyMap<Valued, string>;
  readonly rest: readonly string[];
}

/** @param argv the words after the program's name. */
export function parseOptions(argv: readonly string[]): Options {
  const words = readWords(argv);
  if (typeof words === "string") return usageError(words);
  const { flags, values, rest } = words;
  if (flags.has("--help")) return { kind: "help", text: HELP };
  const level = values.get("--log-level");
  const loglevel = LOG_LEVELS.find((known) => known === level || known.toUpperCase() === level) ?? null;
  if (level !== undefined && loglevel === null) {
    return usageError(`--log-level: '${level}' is not one of ${LOG_LEVELS.join(", ")}`);
  }
  if (rest.length > 1) return usageError(`unrecognized arguments: ${rest.slice(1).join(" ")}`);
  if (flags.has("--version")) return { kind: "version" };
  const json = flags.has("--json");
  if (json && !flags.has("--check")) return usageError("--json needs --check");
  const configPath = rest[0];
  if (configPath === undefined) {
    return flags.has("--check") ? usageError("--check needs a configuration file") : { kind: "help", text: USAGE };
  }
  if (flags.has("--check")) return { kind: "check", configPath, json };
  const problem = loggingProblem(values);
  if (problem !== null) return usageError(problem);
  return {
    kind: "run",
    configPath,
    loglevel,
    logoutput: values.get("--log-output") ?? null,
    pidfile: values.get("--pidfile") ?? null,
    isDaemon: flags.has("--daemon"),
    isAdoptionRefused: flags.has("--no-adopt"),
  };
}

function loggingProblem(values: Words["values"]): string | null {
  const output = parseLogOutput(values.get("--log-output") ?? null);
  if (!output.ok) return `--log-output: ${output.problem}`;
  const problem = loggerConfigProblem(values.get("--logger-config") ?? "default");
  return problem === null ? null : `--logger-config: ${problem}`;
}

function usageError(message: string): Options {
  return { kind: "usage-error", message };
}

/** The words sorted into flags, values and the rest; a text is what is wrong with them. */
function readWords(argv: readonly string[]): Words | string {
  const flags = new Set<Flag>();
  const values = new Map<Valued, string>();
  const rest: string[] = [];
  let areOptionsOver = false;
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? "";
    if (areOptionsOver || word === "-" || !word.startsWith("-")) rest.push(word);
    else if (word === "--") areOptionsOver = true;
    else if (word === "-h") flags.add("--help");
    else {
      const [, name = word, value] = /^(--[^=]*)=(.*)$/s.exec(word) ?? [];
      const option = fullName(name);
      if (typeof option !== "object") return option;
      if (option.flag !== null) {
        if (value !== undefined) return `${option.flag} takes no value`;
        flags.add(option.flag);
      } else {
        const given = value ?? argv[++i];
        if (given === undefined || (value === undefined && /^-./.test(given))) return `${option.valued} needs a value`;
        values.set(option.valued, given);
      }
    }
  }
  return { flags, values, rest };
}

type Option = { readonly flag: Flag } | { readonly flag: null; readonly valued: Valued };

function fullName(name: string): Option | string {
  const options: Option[] = [
    ...FLAGS.filter((flag) => flag.startsWith(name)).map((flag): Option => ({ flag })),
    ...VALUED.filter((valued) => valued.startsWith(name)).map((valued): Option => ({ flag: null, valued })),
  ];
  const exact = options.find((option) => (option.flag ?? option.valued) === name);
  const first = exact ?? options[0];
  if (first === undefined || name.length < 3) return `unrecognized arguments: ${name}`;
  if (exact === undefined && options.length > 1) {
    return `ambiguous option: ${name} could be ${options.map((option) => option.flag ?? option.valued).join(", ")}`;
  }
  return first;
}
