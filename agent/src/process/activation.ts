/**
 * Sockets as systemd hands them over (sd_listen_fds(3)): from descriptor 3 on, counted in `LISTEN_FDS`, named in
 * `LISTEN_FDNAMES`, and meant for the process whose number `LISTEN_PID` is. Nobody knows that number before the fork,
 * so a shell writes it and executes the program in its own place.
 */
import { findExecutable } from "./executable.ts";

/** In the order of their descriptors. */
export type Activation = readonly { readonly name: string; readonly fd: number }[];

export const FIRST_FD = 3;
/** `env` undoes what the shell did to the environment. */
const SCRIPT = 'export LISTEN_PID=$$; exec "$0" "$@"';
const PROGRAM_DIRS = "/usr/bin:/bin:/usr/local/bin";
/** What some shells set of their own accord. */
const OF_SHELLS = ["PWD", "OLDPWD", "SHLVL", "_"];

export function activationEnv(activation: Activation | null): Readonly<Record<string, string>> {
  if (activation === null) return {};
  // A colon stands between two names.
  const names = activation.map(({ name }) => name.replaceAll(":", "_"));
  return { LISTEN_FDS: String(activation.length), LISTEN_FDNAMES: names.join(":") };
}

/** Words to stand before the program, which finds exactly its environment and `LISTEN_PID`. */
export function activationLauncher(
  env: Readonly<Record<string, string>>,
  file: string,
): { readonly ok: true; readonly words: readonly string[] } | { readonly ok: false; readonly reason: string } {
  if (file.includes("=")) return { ok: false, reason: `socket_activation: '${file}' has a '=' in it` };
  const [sh, program] = ["sh", "env"].map((name) => findExecutable(name, PROGRAM_DIRS, "/"));
  if (sh?.ok !== true || program?.ok !== true) {
    return { ok: false, reason: "socket_activation needs the programs 'sh' and 'env', which are not there" };
  }
  const unset = OF_SHELLS.filter((name) => !Object.hasOwn(env, name)).flatMap((name) => ["-u", name]);
  // Shells change the former, and drop what they have no word for.
  const kept = Object.entries(env).filter(
    ([name]) => OF_SHELLS.includes(name) || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name),
  );
  const words = [...unset, ...kept.map(([name, value]) => `${name}=${value}`)];
  return { ok: true, words: [sh.path, "-c", SCRIPT, program.path, ...words] };
}
