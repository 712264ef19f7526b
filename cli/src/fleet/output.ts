/** What every fleet verb prints with. */
import type { Io } from "../io.ts";
import { readJson, writeJson } from "../render/json.ts";
import { clean } from "../render/table.ts";
import type { Settings } from "../settings.ts";

export function printLines(io: Io, lines: readonly string[]): void {
  if (lines.length > 0) io.out(`${lines.join("\n")}\n`);
}

/** One line about something that is wrong; the rest of the output stands. */
export function warn(io: Io, text: string): void {
  io.err(`circusctl: ${clean(text)}\n`);
}

/** The one document of `--json`: `{"v": 1, …}`. */
export function printDocument(
  { io, settings }: { readonly io: Io; readonly settings: Settings },
  document: object,
): void {
  io.out(`${writeJson(readJson(JSON.stringify({ v: 1, ...document })), settings.indent)}\n`);
}
