/** Lines of earlier shells: a file of the user, the newest last. What cannot be read or written is left out. */
import { appendFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const LINES_MAX = 1000;
/** The file is cut to `LINES_MAX` once it is larger. */
const BYTES_MAX = 256 * 1024;
const ONLY_US = 0o600;

export interface History {
  /** The newest first, as `node:readline` wants it. */
  readonly lines: string[];
  add(line: string): void;
}

/** `$XDG_STATE_HOME/circusctl/history`, else below `~/.local/state`; null where there is no home. */
function fileOf(env: Readonly<Record<string, string | undefined>>): string | null {
  const { XDG_STATE_HOME: state = "", HOME: home = "" } = env;
  const base = state !== "" ? state : home !== "" ? join(home, ".local/state") : null;
  return base === null ? null : join(base, "circusctl/history");
}

function read(file: string): string[] {
  try {
    const lines = readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .slice(-LINES_MAX);
    if (statSync(file).size > BYTES_MAX) writeFileSync(file, `${lines.join("\n")}\n`, { mode: ONLY_US });
    return lines;
  } catch {
    return [];
  }
}

export function openHistory(env: Readonly<Record<string, string | undefined>>): History {
  const file = fileOf(env);
  if (file === null) return { lines: [], add: () => undefined };
  let last = "";
  return {
    lines: read(file).reverse(),
    add: (line) => {
      if (line.trim() === "" || line === last) return;
      last = line;
      try {
        mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
        appendFileSync(file, `${line}\n`, { mode: ONLY_US });
      } catch {
        // A home that cannot be written to: the shell works all the same.
      }
    },
  };
}
