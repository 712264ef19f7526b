/**
 * A pushed file as one host has it: `[fleet]` says who the host is and how it is reached, so where the pushed file has
 * none, the host keeps its own. Pure.
 */
const LINES = /\r\n|\n|\r/;

/** As the reader of files knows a header: at the beginning of a line, up to its last bracket. */
function headerOf(line: string): string | null {
  return /^\[(.+)\]/s.exec(line)?.[1] ?? null;
}

function isNothing(line: string): boolean {
  return line.trim() === "" || /^(?:[#;]|rem(?:\s|$))/i.test(line);
}

/** Lines of every `[fleet]` section with its header, comments between its keys too, and all others, in order. */
function split(text: string): { readonly fleet: readonly string[]; readonly rest: readonly string[] } {
  const fleet: string[] = [];
  const rest: string[] = [];
  /** Blank lines and comments after a key of `[fleet]`: they are its own only if another key follows. */
  let waiting: string[] = [];
  let isFleet = false;
  for (const line of text.replace(/^\uFEFF/, "").split(LINES)) {
    const header = headerOf(line);
    if (header !== null) isFleet = header === "fleet";
    if (isFleet && isNothing(line)) {
      waiting.push(line);
      continue;
    }
    (isFleet ? fleet : rest).push(...waiting, line);
    waiting = [];
  }
  return { fleet, rest: [...rest, ...waiting] };
}

export function fleetLines(text: string): readonly string[] {
  return split(text).fleet;
}

/** Does the host keep its own? @param present what it has now */
export function keepsFleet(pushed: string, present: string): boolean {
  return fleetLines(present).length > 0 && fleetLines(pushed).length === 0;
}

/** For a comparison: what is kept is no difference, nor are blank lines at the end. */
export function withoutFleet(text: string): string {
  return `${split(text).rest.join("\n").trimEnd()}\n`;
}

/** @param present what the host has now */
export function compose(pushed: string, present: string): string {
  if (!keepsFleet(pushed, present)) return pushed;
  return `${pushed}${pushed === "" || pushed.endsWith("\n") ? "" : "\n"}\n${fleetLines(present).join("\n")}\n`;
}
