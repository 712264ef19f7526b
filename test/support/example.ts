/** The example's configuration files, as they are shipped. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { exampleDir } from "./process.ts";

/** The sections of a shipped file but `[circus]`, for a test to change ports in; a plain reader for these plain files. */
export async function exampleSections(file = "circus.ini"): Promise<Record<string, Record<string, string>>> {
  const sections: Record<string, Record<string, string>> = {};
  let current: Record<string, string> = {};
  for (const line of (await readFile(join(exampleDir, file), "utf8")).split("\n")) {
    const section = /^\[(.+)\]$/.exec(line)?.[1];
    const [, key, value] = /^(\w+) = (.*)$/.exec(line) ?? [];
    if (section !== undefined) current = sections[section] = {};
    else if (key !== undefined && value !== undefined) current[key] = value;
  }
  delete sections["circus"];
  return sections;
}
