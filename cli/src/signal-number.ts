/** Names of signals, for `set NAME stop_signal TERM`. */

/** `TERM`, `sigterm` or `15` as a number; null where it is none. */
export function signalNumber(text: string): number | null {
  if (/^\d{1,2}$/.test(text)) return Number(text);
  const name = text.toUpperCase().replace(/^(?!SIG)/, "SIG");
  const { constants } = process.getBuiltinModule("node:os");
  const entry = Object.entries(constants.signals).find(([known]) => known === name);
  return entry?.[1] ?? null;
}
