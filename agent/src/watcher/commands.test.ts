/** What the commands on a watcher do, told as stories in a simulated world; each names its reference section. */
import { describe, expect, it } from "vitest";
import { NOBODY } from "./state.ts";
import type { Watcher } from "./watcher.ts";
import { ANNA, WALL_START, World } from "./world.fixture.ts";

const GRACEFUL = { graceful: true, sequential: false, newerThan: null };
const info = (stopped: number[], started: number[], kept: number[]) => ({ stopped, started, kept });
const reason = (value: unknown) => (value instanceof Error ? value.message : value);
/** Without the signals themselves: what Circus's clients hear. */
const pub = (told: string[]) => told.filter((line) => !/^(signal|group|children) /.test(line));

describe("restart (reference §2.7)", () => {
  it("is stop and start, in this order of events, with a new generation", async () => {
    const world = await new World().started();
    const restart = world.ask((w) => w.restart(ANNA, null));
    await world.pass(10);
    expect(restart.value).toEqual(info([101, 102], [103, 104], []));
    expect(pub(world.take())).toEqual([
      ...["kill 101", "kill 102", "reap 101 -15", "reap 102 -15", "stop"],
      ...["spawn 103", "spawn 104", "start"],
    ]);
    expect(world.watcher.processes().map(({ wid, generation }) => [wid, generation])).toEqual([
      [1, WALL_START + 10_000],
      [2, WALL_START + 10_000],
    ]);
  });

  it("never repeats a generation, however fast it is asked again", async () => {
    const world = await new World().started();
    const at = world.nowMs;
    world.ask((w) => w.restart(NOBODY, null));
    world.ask((w) => w.restart(NOBODY, null));
    await world.pass(100);
    expect(world.watcher.snapshot().generation).toBe(WALL_START + at + 1);
  });

  it("newer than a generation does nothing the second time", async () => {
    const world = await new World().started();
    const { generation } = world.watcher.snapshot();
    world.ask((w) => w.restart(NOBODY, generation));
    await world.pass(3000);
    const again = world.ask((w) => w.restart(NOBODY, generation));
    const reload = world.ask((w) => w.reload(NOBODY, { ...GRACEFUL, newerThan: generation }));
    await world.pass(3000);
    expect([again.value, reload.value]).toEqual([info([], [], [103, 104]), info([], [], [103, 104])]);
    expect(world.pids).toEqual([103, 104]);
  });

  it("starts a stopped watcher", async () => {
    const world = new World();
    const restart = world.ask((w) => w.restart(NOBODY, null));
    await world.pass(0);
    expect(restart.value).toEqual(info([], [101, 102], []));
  });

  it("with a broken command fails with the reason", async () => {
    const world = await new World().started();
    world.failSpawns = 99;
    const restart = world.ask((w) => w.restart(NOBODY, null));
    await world.pass(10_000);
    expect(reason(restart.value)).toContain("cannot run");
    expect(world.watcher.snapshot().state).toBe("failed");
  });
});

describe("reload (reference §2.7, design §3)", () => {
  it("starts a stopped watcher, and says both", async () => {
    const world = new World({ numprocesses: 1 });
    world.ask((w) => w.reload(NOBODY, GRACEFUL));
    await world.pass(10);
    expect(pub(world.take())).toEqual(["spawn 101", "start", "reload"]);
    world.ask((w) => w.stop(NOBODY));
    await world.pass(10);
    world.take();
    world.ask((w) => w.reload(NOBODY, { ...GRACEFUL, graceful: false }));
    await world.pass(10);
    expect(pub(world.take())).toEqual(["spawn 102", "start"]);
  });

  it("graceful: all new ones are up and healthy before an old one goes", async () => {
    const world = await new World().started();
    const reload = world.ask((w) => w.reload(NOBODY, GRACEFUL));
    await world.pass(1999);
    expect(pub(world.take())).toEqual(["spawn 103", "spawn 104"]);
    await world.pass(10);
    expect(pub(world.take())).toEqual(["kill 101", "kill 102", "reap 101 -15", "reap 102 -15", "reload"]);
    expect(reload.value).toEqual(info([101, 102], [103, 104], []));
    expect(world.watcher.processes().map((process) => process.wid)).toEqual([3, 4]);
    world.ask((w) => w.reload(NOBODY, GRACEFUL));
    await world.pass(3000);
    expect(world.watcher.processes().map((process) => process.wid)).toEqual([1, 2]);
  });

  it("graceful: a new one that dies young leaves the old ones as they are", async () => {
    const world = await new World().started();
    const reload = world.ask((w) => w.reload(NOBODY, GRACEFUL));
    await world.pass(500);
    world.die(104, { code: 3, signal: null });
    await world.pass(100);
    expect(reload.state).toBe("refused");
    expect(reason(reload.value)).toBe("new process 104 exited with status 3 after 0.50 s, before the reload was done");
    expect([world.pids, world.watcher.status]).toEqual([[101, 102], "active"]);
    expect(pub(world.take())).toEqual(["spawn 103", "spawn 104", "reap 104 3", "kill 103", "reap 103 -15"]);
    expect(world.watcher.snapshot().reason).toBe(reason(reload.value));
  });

  it("graceful with respawn = False: neither old nor new ones are lost in the count", async () => {
    const world = await new World({ respawn: false }).started();
    world.ask((w) => w.reload(NOBODY, GRACEFUL));
    world.die(103);
    await world.pass(5000);
    expect(world.pids).toEqual([101, 102]);
    world.ask((w) => w.reload(NOBODY, GRACEFUL));
    await world.pass(5000);
    expect(world.pids).toHaveLength(2);
  });

  it("sequential: kill, reap, spawn, one after the other, each healthy before the next goes", async () => {
    const world = await new World().started();
    const reload = world.ask((w) => w.reload(NOBODY, { ...GRACEFUL, sequential: true }));
    await world.pass(1000);
    expect(world.pids).toEqual([102, 103]);
    await world.pass(5000);
    expect(pub(world.take())).toEqual([
      ...["kill 101", "reap 101 -15", "spawn 103", "kill 102", "reap 102 -15", "spawn 104"],
      "reload",
    ]);
    expect(reload.value).toEqual(info([101, 102], [103, 104], []));
  });

  it("sequential: stops at the first new one that dies young", async () => {
    const world = await new World({ numprocesses: 3 }).started();
    const reload = world.ask((w) => w.reload(NOBODY, { ...GRACEFUL, sequential: true }));
    await world.pass(100);
    world.die(104);
    await world.pass(10);
    expect(reload.state).toBe("refused");
    expect(world.pids).toEqual([102, 103, 105]); // the gap is filled, the old ones stay
  });

  it("sequential: pauses warmup_delay after each", async () => {
    const world = await new World({ warmupDelayS: 5 }).started();
    world.ask((w) => w.reload(NOBODY, { ...GRACEFUL, sequential: true }));
    await world.pass(4900);
    expect(world.pids).toEqual([102, 103]);
    await world.pass(200);
    expect(world.pids).toEqual([103, 104]);
  });

  it("sequential: goes on where a new one dies that was healthy already", async () => {
    const world = await new World({ numprocesses: 2 }).started();
    const reload = world.ask((w) => w.reload(NOBODY, { ...GRACEFUL, sequential: true }));
    await world.pass(2500);
    world.die(103);
    await world.pass(10_000);
    expect([reload.state, world.pids]).toEqual(["done", [104, 105]]);
  });

  it.each(["reload", "set"])("of a singleton by `%s`: never two at once, even for a moment", async (verb) => {
    const world = await new World({ numprocesses: 1, singleton: true }).started();
    const renew = (w: Watcher): Promise<unknown> =>
      verb === "set" ? w.set(NOBODY, { cmd: "slow" }) : w.reload(NOBODY, GRACEFUL);
    const reload = world.ask(renew, false);
    await world.pass(5000);
    expect(pub(world.take()).filter((line) => line !== "updated")).toEqual([
      ...["kill 101", "reap 101 -15", "spawn 102", "reload"],
    ]);
    expect(reload.state).toBe("done");
  });

  it("graceful: never more than 2N at once; what is still on its way out goes first", async () => {
    const world = await new World({ cmd: "stubborn", gracefulTimeoutS: 5 }).started();
    world.ask((w) => w.kill(NOBODY, 101, null, 20));
    world.ask((w) => w.reload(NOBODY, GRACEFUL));
    await world.pass(8000);
    expect(world.pids).toEqual([101, 103, 104]);
    const again = world.ask((w) => w.reload(NOBODY, GRACEFUL));
    await world.pass(11_000);
    expect([world.pids, again.state]).toEqual([[101, 103, 104, 105], "waiting"]);
    await world.pass(20_000);
    expect([world.pids, again.state]).toEqual([[105, 106], "done"]);
  });

  it("send_hup: SIGHUP, the processes stay and count as new", async () => {
    const world = await new World({ cmd: "stubborn", sendHup: true }).started();
    const { generation } = world.watcher.snapshot();
    const reload = world.ask((w) => w.reload(NOBODY, GRACEFUL));
    await world.pass(0);
    expect(world.take()).toEqual(["signal 1 101", "signal 1 102", "reload"]);
    expect(reload.value).toEqual(info([], [], [101, 102]));
    expect(world.watcher.processes().every((process) => process.generation > generation)).toBe(true);
  });

  it("terminate: like restart, without a reload event", async () => {
    const world = await new World({ numprocesses: 1 }).started();
    world.ask((w) => w.reload(NOBODY, { ...GRACEFUL, graceful: false }));
    await world.pass(10);
    expect(pub(world.take())).toEqual(["kill 101", "reap 101 -15", "stop", "spawn 102", "start"]);
  });
});

describe("numprocesses, incr, decr (reference §2.7)", () => {
  it("spawns what is missing and stops the oldest of what is too many", async () => {
    const world = await new World().started();
    const incr = world.ask((w) => w.addProcesses(NOBODY, 2));
    await world.pass(0);
    expect([incr.value, world.pids]).toEqual([4, [101, 102, 103, 104]]);
    const set = world.ask((w) => w.setNumprocesses(NOBODY, 1));
    await world.pass(10);
    expect([set.value, world.pids]).toEqual([1, [104]]);
    const decr = world.ask((w) => w.addProcesses(NOBODY, -5));
    await world.pass(10);
    expect([decr.value, world.pids, world.watcher.status]).toEqual([0, [], "active"]);
  });

  it("forgets a place in back-off that is not wanted any more, so that a later incr does not wait for it", async () => {
    const world = await new World().started();
    for (const _ of [1, 2, 3, 4, 5]) {
      world.die(Math.max(...world.pids));
      await world.pass(1000);
    }
    world.die(Math.max(...world.pids));
    world.ask((w) => w.addProcesses(NOBODY, -1));
    world.ask((w) => w.addProcesses(NOBODY, 1));
    expect(world.pids).toHaveLength(2);
  });

  it("is only remembered by a stopped watcher", async () => {
    const world = new World();
    const incr = world.ask((w) => w.addProcesses(NOBODY, 1));
    await world.pass(0);
    expect([incr.value, world.pids, world.watcher.config.numprocesses]).toEqual([3, [], 3]);
  });

  it("of a singleton stays: incr softly, set with an error", async () => {
    const world = await new World({ numprocesses: 1, singleton: true }).started();
    const incr = world.ask((w) => w.addProcesses(NOBODY, 1));
    const set = world.ask((w) => w.setNumprocesses(NOBODY, 2));
    const option = world.ask((w) => w.set(NOBODY, { numprocesses: 2 }));
    await world.pass(0);
    expect(incr.value).toBe(1);
    for (const refused of [set, option]) {
      expect(refused.value).toMatchObject({ code: "conflict", message: "Singleton watcher has a single process" });
    }
  });

  it("fails with the reason where the new process cannot be spawned; the others stay", async () => {
    const world = await new World().started();
    world.failSpawns = 5;
    const incr = world.ask((w) => w.addProcesses(NOBODY, 1));
    await world.pass(2000);
    expect([incr.state, reason(incr.value)]).toEqual(["refused", "cannot run 'run': not found in PATH /bin"]);
    await world.pass(60_000);
    expect(world.pids).toHaveLength(3);
  });
});

describe("a command of an operator", () => {
  it("gets its own attempts, whatever failed before", async () => {
    const world = await new World().started();
    world.failSpawns = 7;
    world.die(101);
    await world.pass(4000);
    expect(world.failSpawns).toBe(0);
    world.failSpawns = 1;
    const incr = world.ask((w) => w.addProcesses(NOBODY, 1));
    await world.pass(0);
    expect([incr.value, world.pids.length]).toEqual([3, 3]);
  });

  it("`incr` does not wait for a place in back-off", async () => {
    const world = await new World().started();
    for (const _ of [1, 2, 3, 4, 5, 6]) {
      world.die(Math.max(...world.pids));
      await world.pass(1500);
    }
    world.die(Math.max(...world.pids));
    const incr = world.ask((w) => w.addProcesses(NOBODY, 1));
    await world.pass(0);
    expect([incr.value, world.pids.length]).toEqual([3, 2]);
  });

  it("`start` ends a back-off", async () => {
    const world = await new World().started();
    for (const _ of [1, 2, 3, 4, 5, 6]) {
      world.die(Math.max(...world.pids));
      await world.pass(1500);
    }
    world.die(Math.max(...world.pids));
    expect(world.pids).toHaveLength(1);
    const start = world.ask((w) => w.start(NOBODY));
    await world.pass(0);
    expect([start.state, world.pids.length]).toEqual(["done", 2]);
  });
});

describe("set (reference §5.6)", () => {
  it("applies live options at once, without touching a process", async () => {
    const world = await new World().started();
    world.ask((w) => w.set(NOBODY, { graceful_timeout: 1.5, stop_signal: 2 }));
    await world.pass(5000);
    expect([world.take(), world.pids]).toEqual([
      ["updated", "updated"],
      [101, 102],
    ]);
    expect(world.watcher.config).toMatchObject({ gracefulTimeoutS: 1.5, stopSignal: 2 });
  });

  it("reloads gracefully for a new command", async () => {
    const world = await new World({ numprocesses: 1, sendHup: true }).started();
    world.ask((w) => w.set(ANNA, { cmd: "slow", numprocesses: 2 }));
    await world.pass(5000);
    expect(pub(world.take())).toEqual([
      ...["updated", "updated", "spawn 102", "spawn 103", "kill 101", "reap 101 -15", "reload"],
    ]);
    const updated = world.fleet.find((event) => event.kind === "watcher_updated");
    expect(updated?.data).toEqual({ options: ["cmd", "numprocesses"], numprocesses: 2 });
  });

  it("with a command that cannot run fails, keeps the old processes, and a later restart uses it", async () => {
    const world = await new World({ maxRetry: -1 }).started();
    const set = world.ask((w) => w.set(NOBODY, { cmd: "nosuch" }));
    await world.pass(5000);
    expect(reason(set.value)).toBe("cannot run 'nosuch': not found in PATH /bin");
    expect([world.pids, world.watcher.status, world.watcher.config.cmd]).toEqual([[101, 102], "active", "nosuch"]);
    world.ask((w) => w.set(NOBODY, { max_retry: 1 }));
    const restart = world.ask((w) => w.restart(NOBODY, null));
    await world.pass(5000);
    expect([restart.state, world.watcher.snapshot().state]).toEqual(["refused", "failed"]);
  });

  it("with a command that dies young fails and keeps the old processes", async () => {
    const world = await new World().started();
    const set = world.ask((w) => w.set(NOBODY, { cmd: "dies 100" }));
    await world.pass(5000);
    expect([set.state, world.pids]).toEqual(["refused", [101, 102]]);
  });

  it("on a stopped watcher is only remembered", async () => {
    const world = new World();
    const set = world.ask((w) => w.set(NOBODY, { cmd: "slow", max_age: 5 }));
    await world.pass(0);
    expect([set.state, world.take(), world.watcher.config.cmd]).toEqual(["done", ["updated", "updated"], "slow"]);
  });

  it.each([
    [{ graceful_timeout: -1 }, "'graceful_timeout' must not be negative"],
    [{ stop_signal: 65 }, "signal invalid"],
    [{ max_retry: -2 }, "'max_retry' must be -1 (endless) or more"],
    [{ toString: 1 }, "unknown key 'toString'"],
    [{ cmd: "slow", singleton: true }, "Singleton watcher has a single process"],
  ])("refuses %j and applies nothing", async (options, text) => {
    const world = await new World().started();
    const before = world.watcher.config;
    const set = world.ask((w) => w.set(NOBODY, options));
    await world.pass(0);
    expect([reason(set.value), world.watcher.config, world.take()]).toEqual([text, before, []]);
  });
});

describe("kill (reference §5.6)", () => {
  it("takes one process down and replaces it once it is gone", async () => {
    const world = await new World({ cmd: "slow" }).started();
    const kill = world.ask((w) => w.kill(NOBODY, 101, 2, null));
    await world.pass(299);
    expect([world.take(), world.pids, kill.state]).toEqual([["signal 2 101", "kill 101"], [101, 102], "waiting"]);
    await world.pass(1);
    expect([world.pids, kill.state]).toEqual([[102, 103], "done"]);
  });

  it("with a longer timeout does not put off the SIGKILL of a stop", async () => {
    const world = await new World({ cmd: "stubborn", numprocesses: 1, gracefulTimeoutS: 1 }).started();
    world.ask((w) => w.stop(NOBODY));
    world.ask((w) => w.kill(NOBODY, 101, null, 100));
    await world.pass(1010);
    expect(world.pids).toEqual([]);
  });

  it("brings the SIGKILL of a stop that hangs nearer", async () => {
    const world = await new World({ cmd: "stubborn", numprocesses: 1 }).started();
    world.ask((w) => w.stop(NOBODY));
    await world.pass(100);
    world.ask((w) => w.kill(NOBODY, 101, null, 1));
    await world.pass(1010);
    expect(world.pids).toEqual([]);
  });

  it("with respawn = False leaves the place empty", async () => {
    const world = await new World({ respawn: false }).started();
    world.ask((w) => w.kill(NOBODY, 101, null, null));
    await world.pass(1000);
    expect(world.pids).toEqual([102]);
  });

  it("does not wait behind a stop that hangs, and shortens it", async () => {
    const world = await new World({ cmd: "stubborn", numprocesses: 1 }).started();
    const stop = world.ask((w) => w.stop(NOBODY));
    await world.pass(100);
    world.ask((w) => w.kill(NOBODY, null, null, 0));
    await world.pass(10);
    expect([stop.state, world.pids]).toEqual(["done", []]);
  });

  it("refuses a pid that is not the watcher's", async () => {
    const world = await new World().started();
    const kill = world.ask((w) => w.kill(NOBODY, 7, null, null));
    await world.pass(0);
    expect(kill.value).toMatchObject({ code: "not-found", message: "process 7 not found in 'web'" });
  });
});
