/** circus-controller's own command line. Pure: words in, one decision out. */

export const USAGE = "usage: circus-controller [--check] FILE.ini";

export const HELP = `${USAGE}

Follows a fleet over NATS, keeps its history in SQLite, answers questions and runs rollouts.

  FILE.ini    settings, in its section [controller]:
                nats_url     nats://HOST:PORT, several separated by commas (required)
                fleet        name of the fleet (main)
                credentials  file that "circusctl fleet init" wrote for this controller
                state_dir    where the databases are (/var/lib/circus-controller, or below
                             $XDG_STATE_HOME for other users than root)
                name         of this controller (of the credentials, or of this machine)
                tls_ca, tls_cert, tls_key
  --check     check the settings and exit: 0 if they are usable, 1 if not
  --help      show this and exit
  --version   show the version and exit`;

export type Options =
  | { readonly kind: "run" | "check"; readonly file: string }
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  /** `message` is one line. */
  | { readonly kind: "usage-error"; readonly message: string };

/** @param argv the words after the program's name */
export function parseOptions(argv: readonly string[]): Options {
  let isCheck = false;
  const rest: string[] = [];
  for (const [index, word] of argv.entries()) {
    if (word === "--") {
      rest.push(...argv.slice(index + 1));
      break;
    }
    if (word === "--help" || word === "-h") return { kind: "help" };
    if (word === "--version") return { kind: "version" };
    if (word === "--check") isCheck = true;
    else if (word.startsWith("-")) return { kind: "usage-error", message: `unknown option '${word}'` };
    else rest.push(word);
  }
  const [file, extra] = rest;
  if (file === undefined) return { kind: "usage-error", message: "FILE.ini is missing" };
  if (extra !== undefined) return { kind: "usage-error", message: `one file is enough: '${extra}' is too many` };
  return { kind: isCheck ? "check" : "run", file };
}
