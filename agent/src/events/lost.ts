/** Ranges of events that are gone. */
import { readFileSync } from "node:fs";
import type { Lost, Segment } from "./segments.ts";

/** What the `outbox_truncated` events in a file say; nothing where it cannot be read. */
export function explanationsIn(segment: Segment): Lost[] {
  let text: string;
  try {
    text = readFileSync(segment.path, "utf8");
  } catch {
    return [];
  }
  const lines = text.split("\n").filter((line) => line.includes('"kind":"outbox_truncated"'));
  return lines.flatMap((line) => {
    try {
      const { data } = JSON.parse(line) as { data: Lost };
      return [{ epoch: data.epoch, from: data.from, to: data.to }];
    } catch {
      return [];
    }
  });
}

/** Joins ranges that touch or overlap. */
export function merge(ranges: readonly Lost[]): Lost[] {
  const merged: Lost[] = [];
  for (const range of [...ranges].sort((a, b) => a.epoch - b.epoch || a.from - b.from)) {
    const last = merged.at(-1);
    if (last?.epoch === range.epoch && range.from <= last.to + 1) {
      merged[merged.length - 1] = { ...last, to: Math.max(last.to, range.to) };
    } else merged.push(range);
  }
  return merged;
}
