/** Pages of documentation as tests follow them: their sections, their blocks, and free ports in the place of those shown. */
import { freePorts } from "./ports.ts";

export interface Block {
  readonly language: string;
  readonly text: string;
}

/** Under a heading of the second level, up to the next one; empty where there is none. */
export function sectionOf(page: string, title: string): string {
  const [, after = ""] = page.split(`\n## ${title}\n`);
  return after.split("\n## ")[0] ?? "";
}

/** Fenced blocks that name a language, in their order. */
export function blocksOf(text: string): readonly Block[] {
  const found = text.matchAll(/^```(\w+)\n(.*?)^```$/gms);
  return [...found].map(([, language = "", body = ""]) => ({ language, text: body }));
}

/** Fences, of blocks with and without a language: two of each. */
export function fencesIn(text: string): number {
  return [...text.matchAll(/^```/gm)].length;
}

/** By what a page shows: the port that it has here; `here` puts them into a text. */
export async function portsHere(
  shown: readonly string[],
): Promise<{ readonly ports: ReadonlyMap<string, number>; readonly here: (text: string) => string }> {
  const free = await freePorts(shown.length);
  const ports = new Map(shown.map((port, at) => [port, free[at] ?? 0]));
  const pattern = new RegExp(`\\b(?:${shown.join("|")})\\b`, "g");
  return { ports, here: (text) => text.replaceAll(pattern, (port) => String(ports.get(port))) };
}
