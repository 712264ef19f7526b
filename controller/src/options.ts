/** circus-controller's own command line. Pure: words in, one decision out. */
import { type Millis, parseBytes, parseUserName } from "@circus-cluster/proto";
import { HTTP_ROLES } from "./doors/http/tokens.ts";
import { parseKeep } from "./keep.ts";
import type { TokenWork } from "./operations/token.ts";

export const USAGE = "usage: circus-controller [COMMAND] FILE.ini; try circus-controller --help";

export const HELP = `usage: circus-controller FILE.ini
       circus-controller --check FILE.ini
       circus-controller check FILE.ini [--json]
       circus-controller backup FILE.ini DIR
       circus-controller prune FILE.ini [--keep TIME] [--keep-size SIZE]
       circus-controller rebuild FILE.ini
       circus-controller token FILE.ini --name NAME --role viewer|operator
       circus-controller token FILE.ini --list | --revoke NAME
       circus-controller notify-test FILE.ini [--rule NAME]

Follows a fleet over NATS, keeps its history in SQLite, answers questions and runs rollouts.

  FILE.ini    settings, in its section [controller]:
                nats_url     nats://HOST:PORT, several separated by commas (required)
                fleet        name of the fleet (main)
                credentials  file that "circusctl fleet init" wrote for this controller
                state_dir    where the databases are (/var/lib/circus-controller, or below
                             $XDG_STATE_HOME for other users than root)
                name         of this controller (of the credentials, or of this machine)
                tls_ca, tls_cert, tls_key
                keep         drop events, intervals and usage older than this (30d), or forever
                keep_size    drop the oldest days while the event database holds more, e.g. 10G
                replicas     NATS servers of a cluster that keep events and lock: 1, 3 or 5
                http         HOST:PORT of the HTTP API and /metrics (off)
                http_tokens  file of the tokens that it asks for
                http_tls_cert, http_tls_key
              and in sections [notify:NAME] whom to tell of what:
                webhook      address that takes a POST of JSON; webhook_token: file of its bearer token
                command      line for the shell instead, with the JSON on its stdin
                on           host_lost, host_conflict, watcher_failed, watcher_flapping, rollout_failed,
                             rollout_ended, events_lost (all but rollout_ended)
                where        labels of hosts, such as role=web; watchers: patterns such as web*
                quiet        the same is not told again within this (10m)
                flapping     so many unasked exits in so long (5 in 2m)
                tell_end     tell too when it is over (yes)
  --check     check the settings and exit: 0 if they are usable, 1 if not
  --help      show this and exit
  --version   show the version and exit

  check       settings, credentials and databases, whether or not a controller runs
  backup      copies the databases into a new directory DIR, also while a controller runs
  prune       drops old days now, by keep and keep_size or by what is given here
  rebuild     makes the event database anew from the stream; no controller may run on it
  token       makes a token for the HTTP API, keeps its hash in http_tokens, and prints it, this once:
              a viewer may read, an operator start rollouts too; a controller that runs takes a revoked
              one no more, at once
  notify-test sends a test by each rule, or by one: 0 if all have arrived, 1 if not`;

export type Options =
  | { readonly kind: "run" | "check-settings" | "rebuild"; readonly file: string }
  | { readonly kind: "check"; readonly file: string; readonly json: boolean }
  | { readonly kind: "backup"; readonly file: string; readonly directory: string }
  | {
      readonly kind: "prune";
      readonly file: string;
      /** Null: as the settings say. */
      readonly keepMs: Millis | null;
      readonly keepBytes: number | null;
    }
  | { readonly kind: "token"; readonly file: string; readonly work: TokenWork }
  | {
      readonly kind: "notify-test";
      readonly file: string;
      /** Null: all of them. */
      readonly rule: string | null;
    }
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  /** `message` is one line. */
  | { readonly kind: "usage-error"; readonly message: string };

/** What stands beside the file for each command. */
const COMMANDS = {
  check: { words: 1, options: ["--json"] },
  backup: { words: 2, options: [] },
  prune: { words: 1, options: ["--keep", "--keep-size"] },
  rebuild: { words: 1, options: [] },
  token: { words: 1, options: ["--name", "--role", "--list", "--revoke"] },
  "notify-test": { words: 1, options: ["--rule"] },
} as const;
type Command = keyof typeof COMMANDS;
const VALUED: readonly string[] = ["--keep", "--keep-size", "--name", "--role", "--revoke", "--rule"];

function isCommand(word: string | undefined): word is Command {
  return word !== undefined && Object.hasOwn(COMMANDS, word);
}

function mistake(message: string): Options {
  return { kind: "usage-error", message };
}

/** @param argv the words after the program's name; a file called like a command is `./check` */
export function parseOptions(argv: readonly string[]): Options {
  const [first] = argv;
  const command = isCommand(first) ? first : null;
  const known: readonly string[] = command === null ? ["--check"] : COMMANDS[command].options;
  const given = new Map<string, string>();
  const words: string[] = [];
  for (let at = command === null ? 0 : 1; at < argv.length; at++) {
    const word = argv[at] ?? "";
    if (word === "--") {
      words.push(...argv.slice(at + 1));
      break;
    }
    if (word === "--help" || word === "-h") return { kind: "help" };
    if (word === "--version") return { kind: "version" };
    if (!word.startsWith("-")) {
      words.push(word);
      continue;
    }
    const [, name = word, inline] = /^(--[^=]+)=(.*)$/s.exec(word) ?? [];
    if (!known.includes(name)) return mistake(`unknown option '${name}'${command === null ? "" : ` of ${command}`}`);
    if (!VALUED.includes(name)) {
      if (inline !== undefined) return mistake(`${name} takes no value`);
      given.set(name, "");
      continue;
    }
    const value = inline ?? argv[++at];
    if (value === undefined) return mistake(`${name} needs a value`);
    given.set(name, value);
  }
  return decide(command, words, given);
}

function decide(command: Command | null, words: readonly string[], given: ReadonlyMap<string, string>): Options {
  const [file, second = "", third] = words;
  if (file === undefined) return mistake("FILE.ini is missing");
  const extra = command === null || COMMANDS[command].words === 1 ? words[1] : third;
  if (extra !== undefined) {
    return mistake(`one file is enough: '${extra}' is too many`);
  }
  switch (command) {
    case null:
      return { kind: given.has("--check") ? "check-settings" : "run", file };
    case "check":
      return { kind: "check", file, json: given.has("--json") };
    case "backup":
      return second === "" ? mistake("where to? DIR is missing") : { kind: "backup", file, directory: second };
    case "prune":
      return pruneOptions(file, given.get("--keep"), given.get("--keep-size"));
    case "rebuild":
      return { kind: "rebuild", file };
    case "token":
      return tokenOptions(file, given);
    case "notify-test":
      return { kind: "notify-test", file, rule: given.get("--rule") ?? null };
    default:
      return command satisfies never;
  }
}

function pruneOptions(file: string, keep: string | undefined, size: string | undefined): Options {
  const keepMs = keep === undefined ? null : parseKeep(keep);
  if (keepMs === undefined) return mistake(`--keep '${keep ?? ""}' is no time of a day or more, such as 30d`);
  const keepBytes = size === undefined ? null : parseBytes(size);
  if (size !== undefined && keepBytes === null) return mistake(`--keep-size '${size}' is no size, such as 10G`);
  return { kind: "prune", file, keepMs, keepBytes };
}

function tokenOptions(file: string, given: ReadonlyMap<string, string>): Options {
  const token = (work: TokenWork): Options => ({ kind: "token", file, work });
  const [first, ...more] = ["--list", "--revoke"].filter((option) => given.has(option));
  if (first !== undefined && (more.length > 0 || given.size > 1)) return mistake(`${first} stands alone`);
  if (first === "--list") return token({ do: "list" });
  const option = first ?? "--name";
  const text = given.get(option);
  if (text === undefined) return mistake("whom for? --name NAME is missing");
  const name = parseUserName(text);
  if (name === null) return mistake(`${option} '${text}' has other than letters, digits, '_' and '-', or more than 64`);
  if (first === "--revoke") return token({ do: "revoke", name });
  const role = HTTP_ROLES.find((one) => one === given.get("--role"));
  if (role === undefined) return mistake(`--role is one of ${HTTP_ROLES.join(", ")}`);
  return token({ do: "make", holder: { name, role } });
}
