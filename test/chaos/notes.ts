/** What is noted during a run, and the directory with everything that helps to understand it. */
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Call, Glance, Mishap, Reached, WorkerKill } from "./records.ts";

export class Notes {
  readonly kills: WorkerKill[] = [];
  readonly glances: Glance[] = [];
  readonly reached: Reached[] = [];
  readonly calls: Call[] = [];
  readonly mishaps: Mishap[] = [];
  /** How often each kind was done. */
  readonly done = new Map<string, number>();
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
    mkdirSync(directory, { recursive: true });
  }

  file(name: string): string {
    return join(this.directory, name);
  }

  /** A line of `deeds.jsonl`, with the wall time. */
  say(what: string, facts: object): void {
    const now = new Date();
    const line = JSON.stringify({ at: now.toISOString(), ms: now.getTime(), what, ...facts });
    appendFileSync(this.file("deeds.jsonl"), `${line}\n`);
  }

  count(kind: string): void {
    this.done.set(kind, (this.done.get(kind) ?? 0) + 1);
  }

  mishap(who: string, what: string): void {
    this.say("mishap", { who, mishap: what });
    this.mishaps.push({ who, what });
  }

  /** Of one life of a program: later lives go behind it. */
  log(program: string, text: string): void {
    appendFileSync(this.file(`${program}.log`), text);
  }

  write(name: string, value: unknown): void {
    writeFileSync(this.file(name), JSON.stringify(value, null, 1));
  }
}
