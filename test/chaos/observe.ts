/** Looks at every host again and again, cheaply: is its agent alive, how many web workers are? */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { processInfo } from "../support/leaks.ts";
import type { Notes } from "./notes.ts";
import { type World, watcherOf } from "./world.ts";

const EVERY_MS = 200;
/** A process that was nobody's is looked at again after so many glances: it may have executed its program since. */
const AGAIN = 5;

export class Observer implements Disposable {
  readonly #world: World;
  readonly #notes: Notes;
  readonly #timer: NodeJS.Timeout;
  /** Host of each web worker. */
  readonly #web = new Map<number, string>();
  #others = new Set<number>();
  #glances = 0;

  constructor(world: World, notes: Notes) {
    this.#world = world;
    this.#notes = notes;
    this.#timer = setInterval(() => this.#look(), EVERY_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const directories = new Map(this.#world.hosts.map((host) => [this.#world.directory(host), host]));
    if (this.#glances++ % AGAIN === 0) this.#others = new Set();
    const pids = new Set(readdirSync("/proc").map(Number).filter(Boolean));
    for (const pid of this.#web.keys()) if (!isAlive(pid)) this.#web.delete(pid);
    for (const pid of pids) {
      if (this.#web.has(pid) || this.#others.has(pid)) continue;
      const host = directories.get(cwdOf(pid));
      const info = host === undefined ? null : processInfo(pid);
      if (host !== undefined && info !== null && watcherOf(info) === "web") this.#web.set(pid, host);
      else this.#others.add(pid);
    }
    const atMs = Date.now();
    for (const host of this.#world.hosts) {
      const web = [...this.#web.values()].filter((one) => one === host).length;
      this.#notes.glances.push({ host, atMs, web, isAgentAlive: this.#world.isAttended(host) });
    }
  }
}

function cwdOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return "";
  }
}

function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
  } catch {
    return false;
  }
}
