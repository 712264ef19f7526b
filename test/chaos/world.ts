/**
 * The fleet that a run troubles: on each host Chaussette on an inherited socket, Redis, and workers that write numbered
 * lines; and a load on each host, inside it, so that a cut link excuses nothing.
 */
import { writeFileSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Section } from "../support/agent.ts";
import { exampleSections } from "../support/example.ts";
import { RealFleet } from "../support/fleet.ts";
import { type ProcessInfo, processesIn } from "../support/leaks.ts";
import { type InsideLoad, startLoadInside } from "../support/load-inside.ts";
import { permitted } from "../support/namespaces.ts";
import { projectRoot } from "../support/process.ts";
import { waitFor } from "../support/wait.ts";
import { Disks } from "./disks.ts";
import type { Need } from "./faults.ts";

/** Processes of each watcher on each host. */
export const WATCHERS = { web: 2, writer: 2, redis: 1 } as const;
export type WatcherName = keyof typeof WATCHERS;
const WATCHER_NAMES = Object.keys(WATCHERS) as WatcherName[];

/** What a process of the watcher has in its command line, after it has executed its program. */
const COMMANDS: Readonly<Record<WatcherName, string>> = {
  web: "chaussette",
  writer: "numbered_writer.py",
  redis: "redis-server",
};

/** Of circusd, in the directory of its host. */
const LOG = "circusd.log";
const WHOLE_MS = 180_000;
/** Preloaded into agents and controllers. */
const SET_CLOCK = pathToFileURL(join(projectRoot, "test/fixtures/set_clock.mjs")).href;
/** Longer than any stop of a part: who waits is answered. */
const REQUEST_MS = 90_000;

/** Null: not one of ours, or not yet. */
export function watcherOf({ command }: ProcessInfo): WatcherName | null {
  return WATCHER_NAMES.find((name) => command.includes(COMMANDS[name])) ?? null;
}

/** Logs of workers are beside the state of the agent, where circusd writes at once what it reads. */
function sections(
  { "watcher:myworker": web, "socket:myworker": socket }: Readonly<Record<string, Section>>,
  stateDir: string,
): Readonly<Record<string, Section>> {
  const common = { copy_env: true, copy_path: true, max_retry: -1, "ready.min_uptime": "1s", "backoff.max": "1s" };
  const writer = join(projectRoot, "test/fixtures/numbered_writer.py");
  return {
    circus: { logoutput: LOG },
    "socket:myworker": socket ?? {},
    "watcher:web": { ...web, ...common, numprocesses: WATCHERS.web },
    "watcher:writer": {
      ...{ cmd: `/usr/bin/python3 ${writer} notes 0.01`, numprocesses: WATCHERS.writer, ...common },
      ...{ "stdout_stream.class": "FileStream", "stdout_stream.filename": join(stateDir, "writer.log") },
      ...{ "stdout_stream.max_bytes": 1_000_000, "stdout_stream.backup_count": 999 },
    },
    "watcher:redis": {
      ...{ cmd: 'redis-server --port 0 --unixsocket redis.sock --save "" --appendonly no', ...common },
      numprocesses: WATCHERS.redis,
    },
  };
}

export class World implements AsyncDisposable {
  readonly fleet: RealFleet;
  /** What this machine cannot do, in words. */
  readonly lacks: readonly string[];
  readonly can: ReadonlySet<Need>;
  /** Hosts whose agent we ended, until the next one answers. */
  readonly unattended = new Set<string>();
  readonly #disks: Disks;

  private constructor(fleet: RealFleet, disks: Disks, lacks: readonly string[]) {
    this.fleet = fleet;
    this.#disks = disks;
    this.lacks = lacks;
    this.can = new Set<Need>([
      ...(fleet.network === null ? [] : ["namespaces" as const]),
      ...(disks.areMounted ? ["disk" as const] : []),
    ]);
  }

  static async start(hosts: readonly string[], controllers: readonly string[]): Promise<World> {
    const disks = await Disks.make(hosts);
    const example = await exampleSections();
    try {
      const fleet = await RealFleet.start(hosts, {
        controllers,
        sections: (host) => sections(example, disks.of(host)),
        stateDirOf: (host) => disks.of(host),
        envOf: (name, dir) => ({ NODE_OPTIONS: `--import=${SET_CLOCK}`, CIRCUS_TEST_CLOCK: dir.file(`${name}.clock`) }),
      });
      const lacks = [
        ...(permitted() ? [] : ["network namespaces are not permitted: everything on loopback, no faults of links"]),
        ...(disks.areMounted ? [] : ["tmpfs cannot be mounted: no full disks"]),
      ];
      return new World(fleet, disks, lacks);
    } catch (error) {
      await disks[Symbol.asyncDispose]();
      throw error;
    }
  }

  get hosts(): readonly string[] {
    return this.fleet.hosts.map(({ name }) => name);
  }

  /** Whether an agent holds the sockets and the pipes of a host. */
  isAttended(host: string): boolean {
    return this.fleet.host(host).agent.isRunning && !this.unattended.has(host);
  }

  directory(host: string): string {
    return this.fleet.dir.file(host);
  }

  stateDir(host: string): string {
    return this.#disks.of(host);
  }

  /** Fills the file system of the agent's state directory to the last byte, or frees it again. */
  fill(host: string): void {
    this.#disks.fill(host);
  }

  free(host: string): void {
    this.#disks.free(host);
  }

  /** The wall clock of an agent or a controller, by so many ms before or behind the machine's. */
  setClock(name: string, byMs: number): void {
    writeFileSync(this.fleet.dir.file(`${name}.clock`), String(byMs));
  }

  /** Living processes in the directory of a host, circusd left out. */
  processes(host: string): ProcessInfo[] {
    const agent = this.fleet.host(host).agent;
    return processesIn(this.directory(host)).filter(({ pid }) => !agent.isRunning || pid !== agent.pid);
  }

  /** Those of one watcher, in the order of their pids. */
  workers(host: string, watcher: WatcherName): ProcessInfo[] {
    return this.processes(host).filter((info) => watcherOf(info) === watcher);
  }

  async startLoads(directory: string): Promise<ReadonlyMap<string, InsideLoad>> {
    const loads = new Map<string, InsideLoad>();
    for (const host of this.hosts) {
      const { address, port } = this.fleet.host(host);
      const options = {
        host: address,
        port,
        workers: 2,
        pauseMs: 40,
        timeoutMs: REQUEST_MS,
        expect: "Hello, World!\n",
      };
      const file = join(directory, `requests-${host}.jsonl`);
      loads.set(host, await startLoadInside(this.fleet.netns(host), options, file));
    }
    return loads;
  }

  /** Until each agent has the processes that it shall have, and they are the living ones. */
  async whole(): Promise<void> {
    for (const host of this.hosts) {
      await waitFor(
        async () => {
          for (const watcher of WATCHER_NAMES) {
            const known = await this.known(host, watcher);
            const living = this.workers(host, watcher).map(({ pid }) => pid);
            if (living.length !== WATCHERS[watcher] || living.some((pid) => !known.includes(pid))) {
              throw new Error(`${watcher}: ${known.join(" ")} known, ${living.join(" ")} live`);
            }
          }
          return true;
        },
        { what: `${host} to be whole`, deadlineMs: WHOLE_MS, everyMs: 200 },
      );
    }
  }

  /** Pids of a watcher, as its agent knows them. */
  async known(host: string, watcher: WatcherName): Promise<readonly number[]> {
    const reply = await this.fleet.host(host).agent.call("list", { name: watcher }, 5000);
    return (reply["pids"] as number[] | undefined) ?? [];
  }

  /** Copies what the agents have logged. */
  async keepLogs(directory: string): Promise<void> {
    for (const host of this.hosts) {
      await copyFile(join(this.directory(host), LOG), join(directory, `circusd-${host}.log`));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.fleet[Symbol.asyncDispose]();
    await this.#disks[Symbol.asyncDispose]();
  }
}
