/** `circusctl convert FILE`: a configuration of supervisord as one of circusd, on stdout; notes on stderr. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { EXIT, reasonOf } from "@circus-cluster/proto";
import type { Io } from "../io.ts";
import type { Settings } from "../settings.ts";
import { readSupervisord } from "./read.ts";
import { convertSupervisord } from "./supervisord.ts";

/** @returns the exit code. */
export function runConvert([file = ""]: readonly string[], { json }: Pick<Settings, "json">, io: Io): number {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    io.err(`circusctl: ${file} cannot be read: ${reasonOf(error)}\n`);
    return EXIT.local;
  }
  const read = readSupervisord(text);
  if (!read.ok) {
    io.err(`circusctl: ${file}:${read.line}: ${read.reason}\n`);
    return EXIT.local;
  }
  if (!read.sections.some(({ name }) => /^(?:program|fcgi-program|include|supervisord)\b/.test(name))) {
    io.err(`circusctl: ${file}: no section of supervisord in it, such as [program:NAME]\n`);
    return EXIT.local;
  }
  const { ini, notes } = convertSupervisord(read.sections, dirname(resolve(file)));
  if (json) io.out(`${JSON.stringify({ v: 1, ini, notes })}\n`);
  else {
    io.out(ini);
    for (const { line, text: note } of notes) io.err(`${file}:${line}: ${note}\n`);
  }
  return EXIT.ok;
}
