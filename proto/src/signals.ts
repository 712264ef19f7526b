/** Signals of Linux by name, digits or number (reference §1.4). Pure: the table is ours, not the platform's. */

const NAMES =
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS".split(
    " ",
  );
const SIGRTMIN = 34;
const SIGRTMAX = 64;

const NUMBERS: ReadonlyMap<string, number> = new Map<string, number>([
  ...NAMES.map((name, index): [string, number] => [name, index + 1]),
  ["IOT", 6],
  ["CLD", 17],
  ["POLL", 29],
  ["RTMIN", SIGRTMIN],
  ["RTMAX", SIGRTMAX],
]);

/** A number, digits, or a name with or without SIG in any case, `SIGRTMIN+1` too, or 0, which asks and sends nothing; null: no signal of Linux. */
export function parseSignal(text: string | number): number | null {
  if (typeof text === "number") return Number.isInteger(text) && text >= 0 && text <= SIGRTMAX ? text : null;
  const trimmed = text.trim();
  if (/^\d+$/.test(trimmed)) return parseSignal(Number(trimmed));
  const [, name = "", offset = "0"] = /^(?:SIG)?([A-Z][A-Z0-9]*)(?:\+(\d+))?$/i.exec(trimmed) ?? [];
  const base = NUMBERS.get(name.toUpperCase());
  return base === undefined ? null : parseSignal(base + Number(offset));
}
