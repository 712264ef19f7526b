/** What can be known of a program before it is started, so that a failure is one clear line. */
import { accessSync, closeSync, constants, openSync, readSync, statSync } from "node:fs";
import { delimiter, isAbsolute, join, resolve } from "node:path";

/** Why nothing can be started in a directory; null: it can. */
export function cwdProblem(cwd: string): string | null {
  try {
    if (!statSync(cwd).isDirectory()) return `working_dir '${cwd}' is no directory`;
    accessSync(cwd, constants.X_OK);
    return null;
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    return `working_dir '${cwd}' ${isMissing ? "does not exist" : "cannot be entered: permission denied"}`;
  }
}

export type Found = { readonly ok: true; readonly path: string } | { readonly ok: false; readonly reason: string };

/** Who is to execute a program, where it is not the agent's own user. */
export interface Executor {
  readonly uid: number;
  mayExecute(path: string): boolean;
}

/** Looks a program up as `execvp` does with the *child's* PATH and rights (reference §2.9). */
export function findExecutable(
  file: string,
  path: string | undefined,
  cwd: string,
  executor: Executor | null = null,
): Found {
  const isPath = file.includes("/");
  const searched = path ?? "/bin:/usr/bin";
  const candidates = isPath
    ? [isAbsolute(file) ? file : resolve(cwd, file)]
    : searched.split(delimiter).map((dir) => join(resolve(cwd, dir), file));
  let isDenied = false;
  for (const candidate of candidates) {
    try {
      if (statSync(candidate).isDirectory()) {
        isDenied ||= isPath;
        continue;
      }
      accessSync(candidate, constants.X_OK);
      if (executor === null || executor.mayExecute(candidate)) return { ok: true, path: candidate };
      isDenied = true; // what comes later in PATH may do
    } catch (error) {
      isDenied ||= (error as NodeJS.ErrnoException).code === "EACCES";
    }
  }
  const whom = executor === null ? "" : ` for uid ${executor.uid}`;
  const why = isDenied ? `permission denied${whom}` : isPath ? "no such file" : `not found in PATH ${searched}`;
  return { ok: false, reason: `cannot run '${file}': ${why}` };
}

/** The program that a `#!` line names; null: the file has none, or cannot be read. */
export function interpreterOf(path: string): string | null {
  try {
    const fd = openSync(path, "r");
    try {
      const head = Buffer.alloc(256);
      return /^#!\s*([^\s\0]+)/.exec(head.toString("latin1", 0, readSync(fd, head)))?.[1] ?? null;
    } finally {
      closeSync(fd);
    }
  } catch {
    return null;
  }
}
