/**
 * What an operator does with many real agents, each with two small web workers: every verb on all of them, then a
 * rolling restart in which a host of the third wave fails, and its end by `rollout retry`.
 */
import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { FleetAnswers, HostStatus, RolloutRecord } from "@circus-cluster/proto";
import { RealFleet } from "./fleet.ts";
import { type Load, type LoadReport, startLoad } from "./load.ts";
import { projectRoot, type Result } from "./process.ts";
import { waitFor } from "./wait.ts";

const WORKER = join(projectRoot, "test/fixtures/small_http.py");
const READY_MS = 120_000;
/** One request at a time on each host, so many ms apart, so that the load of forty leaves the machine some air. */
const PAUSE_MS = 50;

type Pids = ReadonlyMap<string, readonly number[]>;

/** What is left of a rolling restart with a broken host. */
export interface BrokenRestart {
  readonly broken: string;
  readonly before: Pids;
  /** When it had stopped. */
  readonly stopped: { readonly result: Result; readonly record: RolloutRecord; readonly pids: Pids };
  /** After the retry. */
  readonly retried: { readonly result: Result; readonly record: RolloutRecord; readonly pids: Pids };
  /** Of all hosts but the broken one, over the whole time. */
  readonly loads: readonly LoadReport[];
}

export class ManyHosts implements AsyncDisposable {
  readonly fleet: RealFleet;
  readonly names: readonly string[];

  private constructor(fleet: RealFleet, names: readonly string[]) {
    this.fleet = fleet;
    this.names = names;
  }

  static async start(count: number): Promise<ManyHosts> {
    const names = Array.from({ length: count }, (_, at) => `h${String(at + 1).padStart(2, "0")}`);
    const fleet = await RealFleet.start(names, {
      isOnLoopback: true,
      starting: 4,
      appFile: WORKER,
      sections: {
        "watcher:myworker": {
          cmd: "/usr/bin/python3 small_http.py $(circus.sockets.myworker)",
          use_sockets: true,
          numprocesses: 2,
          copy_env: true,
          "ready.min_uptime": "1s",
        },
      },
    });
    const many = new ManyHosts(fleet, names);
    await many.whole();
    return many;
  }

  /** Until every host has so many healthy processes of the watcher. */
  async whole(processes = 2): Promise<Pids> {
    return await waitFor(
      async () => {
        const hosts = await this.#status();
        const pids = new Map(
          hosts.map(({ host, presence, watchers }) => {
            const found = watchers.find(({ name }) => name === "myworker");
            const isWhole = presence === "online" && found?.state === "active" && found.healthy === processes;
            return [host, isWhole && found.pids.length === processes ? found.pids : []];
          }),
        );
        return this.names.every((name) => pids.get(name)?.length === processes) && pids;
      },
      { what: `${this.names.length} hosts with ${processes} processes`, deadlineMs: READY_MS, everyMs: 200 },
    );
  }

  /** States of the watcher, each once. */
  async states(): Promise<readonly string[]> {
    const hosts = await this.#status();
    return [...new Set(hosts.flatMap(({ watchers }) => watchers.map(({ state }) => state)))];
  }

  /** A third wave of the default four has this host. */
  get brokenHost(): string {
    return this.names[Math.floor(this.names.length * 0.6)] ?? "";
  }

  async restartWithBrokenHost(): Promise<BrokenRestart> {
    const broken = this.brokenHost;
    const before = await this.whole();
    const { appFile } = this.fleet.host(broken);
    const loads = this.#loads(this.names.filter((name) => name !== broken));
    try {
      await writeFile(appFile, "raise SystemExit('a broken release')\n");
      const args = "--all restart myworker --soak 500ms --health-timeout 10s";
      const stopped = await this.fleet.ctl(args);
      const id = /^rollout (\S+):/.exec(stopped.stdout)?.[1] ?? "";
      const first = { result: stopped, record: await this.#record(id), pids: await this.#pids() };
      await copyFile(WORKER, appFile);
      const again = await this.fleet.ctl(`rollout retry ${id}`);
      const second = { result: again, record: await this.#record(id), pids: await this.whole() };
      const reports = await Promise.all(loads.map((load) => load.stop()));
      return { broken, before, stopped: first, retried: second, loads: reports };
    } finally {
      await Promise.all(loads.map((load) => load.stop()));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.fleet[Symbol.asyncDispose]();
  }

  #loads(names: readonly string[]): Load[] {
    return names.map((name) => {
      const { address: host, port } = this.fleet.host(name);
      return startLoad({ host, port, workers: 1, pauseMs: PAUSE_MS, expect: "Hello, World!\n" });
    });
  }

  async #status(): Promise<readonly HostStatus[]> {
    return (await this.fleet.json<FleetAnswers["status"]>("--all status")).hosts;
  }

  async #pids(): Promise<Pids> {
    const hosts = await this.#status();
    return new Map(hosts.map(({ host, watchers }) => [host, watchers[0]?.pids ?? []]));
  }

  async #record(id: string): Promise<RolloutRecord> {
    return (await this.fleet.json<{ rollout: RolloutRecord }>(`rollout show ${id}`)).rollout;
  }
}
