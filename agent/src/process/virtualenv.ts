/** The environment of a process that runs in a Python virtual environment (reference §2.9). */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";

type Env = Readonly<Record<string, string>>;
type Result =
  | { readonly ok: true; readonly env: Env }
  /** One line. */
  | { readonly ok: false; readonly reason: string };

/**
 * `PATH` begins with the environment's `bin`. `PYTHONPATH` has what its `*.pth` files name, what it had, and its
 * `site-packages`, for programs that another Python than the environment's own executes.
 *
 * @param pyVer `3.11`; null: the only one that the environment has
 */
export function virtualenvEnv(env: Env, virtualenv: string, pyVer: string | null): Result {
  const site = findSite(virtualenv, pyVer);
  if (!site.ok) return site;
  const bin = join(virtualenv, "bin");
  const { PATH, PYTHONPATH } = env;
  const before = (PYTHONPATH ?? "").split(delimiter);
  const paths = [...pathsOfPth(site.dir), ...before, site.dir].filter((path) => path !== "");
  return {
    ok: true,
    env: {
      ...env,
      ...(existsSync(bin) ? { PATH: PATH === undefined || PATH === "" ? bin : `${bin}${delimiter}${PATH}` } : {}),
      PYTHONPATH: [...new Set(paths)].join(delimiter),
    },
  };
}

type Site = { readonly ok: true; readonly dir: string } | { readonly ok: false; readonly reason: string };

/** Circus takes its own Python's version where none is written; without a Python of our own we look what is there. */
function findSite(virtualenv: string, pyVer: string | null): Site {
  const lib = join(virtualenv, "lib");
  const siteOf = (name: string): string => join(lib, name, "site-packages");
  const isSite = (name: string): boolean => existsSync(siteOf(name));
  const wanted =
    pyVer === null ? list(lib).filter((name) => /^(?:python|pypy)\d/.test(name)) : [`python${pyVer}`, `pypy${pyVer}`];
  const found = wanted.filter(isSite).sort();
  const [first] = found;
  if (first === undefined) {
    const shown = pyVer === null ? siteOf("python*") : wanted.map(siteOf).join(", ");
    return { ok: false, reason: `virtualenv: ${shown} does not exist` };
  }
  if (pyVer === null && found.length > 1) {
    return { ok: false, reason: `virtualenv: ${lib} has ${found.join(", ")}: say which by virtualenv_py_ver` };
  }
  // With a version, CPython comes before PyPy.
  return { ok: true, dir: siteOf(wanted.find(isSite) ?? first) };
}

/** Existing paths only; a line that is code is not executed. */
function pathsOfPth(dir: string): readonly string[] {
  return list(dir)
    .filter((name) => name.endsWith(".pth"))
    .sort()
    .flatMap((name) => linesOf(join(dir, name)))
    .map((line) => line.trimEnd())
    .filter((line) => line !== "" && !/^(?:#|import\s)/.test(line) && !line.includes("\0"))
    .map((line) => resolve(dir, line))
    .filter((path) => existsSync(path));
}

function list(dir: string): readonly string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

function linesOf(file: string): readonly string[] {
  try {
    return readFileSync(file, "utf8").split("\n");
  } catch {
    return []; // a directory, or not ours to read: Python passes over it too
  }
}
