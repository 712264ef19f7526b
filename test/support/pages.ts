/** Pages of documentation as tests follow them: their sections, their blocks, and free ports in the place of those shown. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { freePorts } from "./ports.ts";
import { projectRoot } from "./process.ts";

export interface Block {
  /** Empty where the fence names none: lines of commands, with remarks. */
  readonly language: string;
  readonly text: string;
  /** The nearest heading above it. */
  readonly section: string;
  /** Number of the line of its first fence. */
  readonly line: number;
}

export async function readPage(page: string): Promise<string> {
  return await readFile(join(projectRoot, page), "utf8");
}

/** All fenced blocks, in their order. @throws where a fence is not closed */
export function blocksOf(text: string): readonly Block[] {
  const blocks: Block[] = [];
  let section = "";
  let open: { language: string; line: number; lines: string[] } | null = null;
  for (const [at, line] of text.split("\n").entries()) {
    const [, language] = /^```(\w*)$/.exec(line) ?? [];
    if (open === null) {
      section = /^#+ (.*)$/.exec(line)?.[1] ?? section;
      if (language !== undefined) open = { language, line: at + 1, lines: [] };
    } else if (language === "") {
      blocks.push({ language: open.language, text: open.lines.join("\n") + "\n", section, line: open.line });
      open = null;
    } else open.lines.push(line);
  }
  if (open !== null) throw new Error(`the block that begins on line ${open.line} does not end`);
  return blocks;
}

/** By what a page shows: the port that it has here; `here` puts them into a text, `shown` takes them out again. */
export async function portsHere(shown: readonly string[]): Promise<{
  readonly ports: ReadonlyMap<string, number>;
  readonly here: (text: string) => string;
}> {
  const free = await freePorts(shown.length);
  const ports = new Map(shown.map((port, at) => [port, free[at] ?? 0]));
  const pattern = new RegExp(`\\b(?:${shown.join("|")})\\b`, "g");
  return { ports, here: (text) => text.replaceAll(pattern, (port) => String(ports.get(port))) };
}
