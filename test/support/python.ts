/**
 * The Python that has Debian's modules. Debian's belong to /usr/bin/python3, whatever `python3` comes first in PATH;
 * deploy/setup.sh looks in the same order.
 */
import { execFileSync } from "node:child_process";
import { delimiter, join } from "node:path";
import { cleanEnv, projectRoot, type Result, type RunOptions, run } from "./process.ts";

const NEEDED = ["zmq", "gevent", "chaussette"];
let found: string | undefined;

/** @throws when no Python has the modules */
export function python(): string {
  if (found !== undefined) return found;
  const env = cleanEnv();
  const candidates = ["/usr/bin/python3", ...(env["PATH"] ?? "").split(delimiter).map((dir) => join(dir, "python3"))];
  const script = `import importlib.util as u, sys; sys.exit(any(u.find_spec(n) is None for n in ${JSON.stringify(NEEDED)}))`;
  found = [...new Set(candidates)].find((candidate) => {
    try {
      execFileSync(candidate, ["-c", script], { env, stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  });
  if (found === undefined) throw new Error(`no python3 has ${NEEDED.join(", ")}; run deploy/setup.sh`);
  return found;
}

function fixture(script: string): string {
  return script.includes("/") ? script : join(projectRoot, "test/fixtures", script);
}

/** Runs a script of test/fixtures (or a path) to its end. */
export async function runPython(
  script: string,
  args: readonly string[] = [],
  options: RunOptions & { readonly deadlineMs?: number } = {},
): Promise<Result> {
  return await run(python(), [fixture(script), ...args], options);
}
