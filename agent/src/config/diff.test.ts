import { describe, expect, it } from "vitest";
import { watcherConfig } from "../commands/fake-agent.fixture.ts";
import type { SocketConfig } from "../sockets/types.ts";
import { diffConfig, type Running } from "./diff.ts";
import { PLAIN_LIFECYCLE } from "./lifecycle.ts";
import { resolve } from "./resolve.ts";
import type { CircusSection, WatcherConfig } from "./types.ts";

const context = { osEnv: {}, cwd: "/", shortHostName: "h" };
const circus = (): CircusSection => {
  const { config } = resolve([{ file: "/c.ini", sections: [], diagnostics: [] }], context);
  if (config === null) throw new Error("the defaults are no configuration");
  return config.circus;
};
const socket = (name: string, changes: Partial<SocketConfig> = {}): SocketConfig & { at: null } => ({
  ...{ name, at: null, host: "127.0.0.1", port: 80, family: "AF_INET", type: "SOCK_STREAM", backlog: 5, path: null },
  ...{ umask: 8, replace: false, interface: null, soReuseport: false, proto: null, blocking: false },
  ...{ owner: null, group: null, ...changes },
});
const running = (watchers: readonly WatcherConfig[], changes: Partial<Running> = {}): Running => ({
  ...{ circus: circus(), sockets: [], fleet: null, watchers, ...changes },
});
const web = (changes: Partial<WatcherConfig> = {}): WatcherConfig => watcherConfig("web", changes);
const onSocket = { cmd: "serve $(circus.sockets.Http)", useSockets: true };

/** What becomes of one watcher. */
function change(was: WatcherConfig, is: WatcherConfig, sockets: Partial<Running>[] = [{}, {}]): unknown {
  const [before = {}, after = {}] = sockets;
  const { changed, added, removed } = diffConfig(running([was], before), running([is], after)).watchers;
  expect([added, removed]).toEqual([[], []]);
  return changed.map(({ keys, renewal }) => `${keys.join(",")} ${renewal}`).join();
}

describe("diffConfig", () => {
  it("finds nothing to do between equal files, wherever the sections stand", () => {
    const at = { file: "/other", line: 7 };
    const plan = diffConfig(
      running([web({ env: { PS1: "a" } })]),
      running([web({ at, env: { PS1: "b" }, lifecycle: { ...PLAIN_LIFECYCLE, dependsOnAt: at } })]),
    );
    expect(plan).toMatchObject({ applied: [], deferred: [], watchers: { added: [], removed: [], changed: [] } });
  });

  it.each<[Partial<WatcherConfig>, string]>([
    [{ numprocesses: 3, stopSignal: 2, respawn: false }, "numprocesses,respawn,stop_signal none"],
    [{ maxAgeS: 9 }, "max_age none"], // not in Circus's comparison where it was not written before (D2c)
    [{ extra: { "flapping.window": "2" } }, "extra none"],
    [{ cmd: "other" }, "cmd restart"],
    [{ env: { A: "1" }, priority: 3 }, "env,priority restart"],
    [{ closeChildStdout: true }, "close_child_stdout restart"],
  ])("%j", (changes, expected) => {
    expect(change(web(), web(changes))).toBe(expected);
  });

  it("puts new processes beside the old ones only where both inherit what they listen on", () => {
    expect(change(web(onSocket), web({ ...onSocket, env: { A: "1" } }))).toBe("env reload");
    expect(change(web(onSocket), web({ ...onSocket, env: { A: "1" }, singleton: true }))).toBe("env,singleton restart");
    expect(change(web(onSocket), web({ cmd: "serve 80" }))).toBe("cmd,use_sockets restart");
  });

  it("renews where the command line has the value in it, and where a process must hear of its notify socket", () => {
    const cmd = "serve --grace $(circus.graceful_timeout)";
    expect(change(web({ cmd }), web({ cmd, gracefulTimeoutS: 5 }))).toBe("graceful_timeout restart");
    const timing = { intervalMs: 1, timeoutMs: 1, retries: 1, startPeriodMs: 1, onUnhealthy: "replace" } as const;
    const checkedBy = (probe: "tcp" | "notify"): WatcherConfig => {
      const probes = {
        tcp: { type: "tcp", host: "h", port: "1" },
        notify: { type: "notify", watchdog: false },
      } as const;
      return web({ lifecycle: { ...PLAIN_LIFECYCLE, healthcheck: { ...timing, probe: probes[probe] } } });
    };
    expect(change(web(), checkedBy("tcp"))).toBe("lifecycle none");
    expect(change(checkedBy("notify"), checkedBy("tcp"))).toBe("lifecycle none");
    expect(change(checkedBy("tcp"), checkedBy("notify"))).toBe("lifecycle restart");
  });

  it("says which sockets are new, gone, tuned, bound anew, and renews who is on one that is bound anew", () => {
    const before = { sockets: [socket("http"), socket("gone", { port: 81 }), socket("same", { port: 82 })] };
    const tuned = { sockets: [socket("http", { backlog: 9, blocking: true }), socket("same", { port: 82 })] };
    const plan = diffConfig(running([], before), running([], tuned));
    expect(plan.sockets).toMatchObject({ added: [], removed: ["gone"], tuned: [{ name: "http" }], rebound: [] });
    expect(change(web(onSocket), web(onSocket), [before, tuned])).toBe("");
    const rebound = { sockets: [socket("http", { port: 90 }), socket("new", { port: 91 })] };
    expect(diffConfig(running([], before), running([], rebound)).sockets).toMatchObject({
      added: [{ name: "new" }],
      removed: ["gone", "same"],
      rebound: [{ name: "http" }],
    });
    expect(change(web(onSocket), web(onSocket), [before, rebound])).toBe(" reload");
    const other = { cmd: "serve $(circus.sockets.same)", useSockets: true };
    expect(
      change(web(other), web(other), [before, { sockets: [...rebound.sockets, socket("same", { port: 82 })] }]),
    ).toBe("");
  });

  it("applies what can be applied of [circus] and names the rest, but restarts nothing for it (D2a)", () => {
    const next = { ...circus(), warmupDelayS: 4, loglevel: "debug", endpoint: "tcp://127.0.0.1:9" };
    const plan = diffConfig(running([web()]), running([web()], { circus: next }));
    expect(plan).toMatchObject({ applied: ["warmup_delay", "loglevel"], deferred: ["endpoint"] });
    expect(plan.circus).toEqual({ ...circus(), warmupDelayS: 4, loglevel: "debug" });
    expect(plan.watchers.changed).toEqual([]);
  });
});
