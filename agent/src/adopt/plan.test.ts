import { describe, expect, it } from "vitest";
import { configOf, type Sections } from "../arbiter/arbiter.fixture.ts";
import type { AgentConfig } from "../config/types.ts";
import type { SocketMemory } from "../journal/records.ts";
import { TEST_CONFIG } from "../watcher/world.fixture.ts";
import { type Findings, planAdoption } from "./plan.ts";
import type { Finding, Living } from "./survey.ts";

const WEB: Sections = {
  "watcher:web": { cmd: "serve $(circus.sockets.web)", use_sockets: "true" },
  "socket:web": { port: 8080 },
};
const config = (sections: Sections = WEB): AgentConfig => configOf(sections);

function living(pid: number): Living {
  const birth = { id: `o-${pid}`, notify: null, stdout: null, stderr: null, pid, ticks: pid };
  return { slot: { wid: 1, generation: 1, crashes: 0, life: null }, birth, pid, ticks: pid };
}

function finding(name: string, pids: readonly number[], entry: Partial<Finding["entry"]> = {}): Finding {
  const written = config().watchers.find((watcher) => watcher.name === name) ?? { ...TEST_CONFIG, name };
  const all = { written, config: written, isAdded: false, memory: null, slots: new Map(), ...entry };
  return { name, entry: all, living: pids.map(living), gone: [] };
}

const memory = (sections: Sections): SocketMemory => {
  const [socket] = config(sections).sockets;
  if (socket === undefined) throw new Error("no socket");
  return { name: socket.name, fd: 30, inode: 7, file: null, config: socket };
};

function plan(findings: readonly Finding[], next = config(), more: Partial<Findings> = {}, isRefused = false) {
  return planAdoption(
    { findings, strangers: [], sockets: { recovered: [], withheld: [] }, ...more },
    next,
    isRefused,
    {},
  );
}

describe("what becomes of what is left", () => {
  it("goes on as it is where nothing has changed", () => {
    const { heirs, endings, isChanged, forgotten } = plan([finding("web", [5])]);
    expect([...heirs.keys()]).toEqual(["web"]);
    expect([endings, forgotten, isChanged]).toEqual([[], [], false]);
  });

  it("begins with the configuration of what runs, and knows that another one is wanted", () => {
    const next = config({ ...WEB, "watcher:web": { ...WEB["watcher:web"], cmd: "other $(circus.sockets.web)" } });
    const { base, wanted, isChanged } = plan([finding("web", [5])], next);
    expect(base.watchers[0]?.cmd).toBe("serve $(circus.sockets.web)");
    expect(wanted.watchers[0]?.cmd).toBe("other $(circus.sockets.web)");
    expect(isChanged).toBe(true);
  });

  it("keeps a socket that came back as it was, also one that the file has no more", () => {
    const old = memory({ "socket:web": { port: 9090 } });
    const sockets = { recovered: [{ memory: old }], withheld: [] };
    expect(plan([finding("web", [5])], config(), { sockets }).base.sockets[0]?.port).toBe(9090);
    const gone = plan([], config({}), { sockets });
    expect([gone.base.sockets.length, gone.wanted.sockets.length, gone.isChanged]).toEqual([1, 0, true]);
  });

  it("is stopped by a reload where the file has it no more, but not where a command added it", () => {
    const left = plan([finding("old", [5]), finding("older", []), finding("mine", [6], { isAdded: true })]);
    expect(left.base.watchers.map(({ name }) => name)).toEqual(["mine", "old", "web"]);
    expect(left.wanted.watchers.map(({ name }) => name)).toEqual(["mine", "web"]);
    expect(left.forgotten).toEqual(["older"]);
  });

  it("is ended first where it cannot go on: plugins, holders of a socket we do not get, strangers", () => {
    const withheld = [{ memory: memory(WEB), reason: "pidfd_getfd: EPERM", holders: [6] }];
    const { endings, heirs } = plan([finding("plugin:flapping", [4]), finding("web", [5, 6])], config(), {
      sockets: { recovered: [], withheld },
      strangers: [{ pid: 9, ticks: 1, end: null }],
    });
    expect(endings.map(({ pid, watcher }) => [pid, watcher])).toEqual([
      [4, "plugin:flapping"],
      [6, "web"],
      [9, null],
    ]);
    expect(endings[1]?.why).toBe("its socket 'web' cannot be taken over: pidfd_getfd: EPERM");
    expect(heirs.get("web")?.living.map(({ pid }) => pid)).toEqual([5]);
    expect(heirs.has("plugin:flapping")).toBe(false);
  });

  it("is ended altogether where nobody is to be adopted", () => {
    const { endings, heirs, base, wanted } = plan([finding("web", [5])], config(), {}, true);
    expect([endings.length, heirs.size]).toEqual([1, 0]);
    expect(base).toEqual(wanted);
  });
});
