/** What an operator sees of a watcher, told as stories in a simulated world; each names its reference section. */
import { describe, expect, it } from "vitest";
import { PLAIN_LIFECYCLE } from "../config/lifecycle.ts";
import { NOBODY } from "./state.ts";
import { ANNA, WALL_START, World } from "./world.fixture.ts";

const info = (stopped: number[], started: number[], kept: number[]) => ({ stopped, started, kept });
const reason = (value: unknown) => (value instanceof Error ? value.message : value);
/** Without the signals themselves: what Circus's clients hear. */
const pub = (told: string[]) => told.filter((line) => !/^(signal|group|children) /.test(line));

describe("start and stop (reference §2.3, §2.4)", () => {
  it("spawns all, tells it in Circus's order and resolves once all are spawned", async () => {
    const world = new World({ numprocesses: 2 });
    const start = world.ask((w) => w.start(ANNA));
    expect(world.watcher.status).toBe("active");
    await world.pass(0);
    expect(start).toEqual({ state: "done", value: info([], [101, 102], []) });
    expect(world.take()).toEqual(["spawn 101", "spawn 102", "start"]);
    expect(world.fleet.map((event) => event.kind)).toEqual([
      "watcher_starting",
      "process_spawned",
      "process_spawned",
      "watcher_started",
    ]);
    expect(world.fleet.every((event) => event.actor === "anna")).toBe(true);
    expect(world.watcher.snapshot()).toMatchObject({
      state: "active",
      numprocesses: 2,
      generation: WALL_START,
      reason: null,
      processes: [
        { wid: 1, pid: 101, started: WALL_START, health: "starting", generation: WALL_START },
        { wid: 2, pid: 102 },
      ],
    });
  });

  it("is healthy after ready.min_uptime, and no timer is left then", async () => {
    const world = await new World().started();
    expect(world.watcher.processes().map((process) => process.health)).toEqual(["healthy", "healthy"]);
    expect(world.fleet.filter((event) => event.kind === "process_healthy")).toHaveLength(2);
    expect(world.timersPending).toBe(0);
  });

  it("is healthy at once where ready.min_uptime is 0", () => {
    const world = new World({ readyMinUptimeS: 0 });
    world.ask((w) => w.start(NOBODY));
    expect(world.watcher.processes().map((process) => process.health)).toEqual(["healthy", "healthy"]);
  });

  it("with on_demand rests once the last process has gone, and says what it waits for", async () => {
    const world = await new World({ onDemand: true }).started();
    world.die(101, { code: 0, signal: null });
    await world.pass(60_000);
    expect(world.pids).toEqual([102]);
    expect(world.watcher.status).toBe("active");
    world.die(102);
    await world.pass(60_000);
    expect(world.watcher.snapshot()).toMatchObject({ state: "stopped", reason: "waits for a connection" });
    await world.started();
    expect(world.pids).toEqual([103, 104]);
    world.ask((w) => w.stop(NOBODY, { why: "rest" }));
    await world.pass(1000);
    expect(world.watcher.snapshot().reason).toContain("rest");
  });

  it("pauses warmup_delay between two spawns and is starting meanwhile", async () => {
    const world = new World({ numprocesses: 3, warmupDelayS: 1 });
    const start = world.ask((w) => w.start(NOBODY));
    expect(world.pids).toHaveLength(1);
    await world.pass(999);
    expect(world.pids).toHaveLength(1);
    await world.pass(1);
    expect(world.pids).toHaveLength(2);
    expect(world.watcher.status).toBe("starting");
    await world.pass(1000);
    expect([world.watcher.status, start.state]).toEqual(["active", "done"]);
  });

  it("lets others have the event loop while it spawns many", async () => {
    const world = new World({ numprocesses: 40 });
    world.ask((w) => w.start(NOBODY));
    expect(world.pids.length).toBeLessThan(40);
    await world.pass(10);
    expect(world.pids).toHaveLength(40);
  });

  it("with no process to run stays stopped", async () => {
    const world = new World({ numprocesses: 0 });
    const start = world.ask((w) => w.start(NOBODY));
    await world.pass(0);
    expect([start.state, world.watcher.status]).toEqual(["done", "stopped"]);
  });

  it("on a running watcher only fills up", async () => {
    const world = await new World().started();
    const start = world.ask((w) => w.start(NOBODY));
    await world.pass(0);
    expect(start.value).toEqual(info([], [], [101, 102]));
    expect(world.take()).toEqual([]);
  });

  it("stops: kill×N, reap×N, stop", async () => {
    const world = await new World().started();
    const stop = world.ask((w) => w.stop(ANNA));
    expect(world.watcher.status).toBe("stopping");
    await world.pass(10);
    expect(stop.value).toEqual(info([101, 102], [], []));
    expect(pub(world.take())).toEqual(["kill 101", "kill 102", "reap 101 -15", "reap 102 -15", "stop"]);
    expect(world.watcher.snapshot()).toMatchObject({ state: "stopped", processes: [] });
    expect(world.fleet.slice(-2).map((event) => event.kind)).toEqual(["process_exited", "watcher_stopped"]);
    expect(world.fleet.at(-2)).toMatchObject({
      actor: "anna",
      data: { code: null, signal: 15, uptime_ms: 10_001, expected: true },
    });
    const again = world.ask((w) => w.stop(NOBODY));
    await world.pass(0);
    expect([again.value, world.take()]).toEqual([info([], [], []), []]);
  });

  it("kills the whole group after graceful_timeout, and is told so by a second kill event", async () => {
    const world = await new World({ cmd: "stubborn", numprocesses: 1, gracefulTimeoutS: 3 }).started();
    world.ask((w) => w.stop(NOBODY));
    await world.pass(2999);
    expect(world.take()).toEqual(["signal 15 101", "kill 101"]);
    await world.pass(10);
    expect(world.take()).toEqual(["group 9 101", "kill 101", "reap 101 -9", "stop"]);
  });

  it("with graceful_timeout 0 kills at once", async () => {
    const world = await new World({ numprocesses: 1, gracefulTimeoutS: 0 }).started();
    world.ask((w) => w.stop(NOBODY));
    expect(world.take()).toEqual(["group 9 101", "kill 101"]);
  });

  it("with stop_children signals the children first and tells each", async () => {
    const world = await new World({ numprocesses: 1, stopChildren: true }).started();
    world.ask((w) => w.stop(NOBODY));
    expect(world.take()).toEqual(["children 15 101", "signal 15 101", "kill 101", "kill 10101"]);
  });
});

describe("a process that dies (design §3)", () => {
  it("is replaced at once, in the same wid and the watcher's generation", async () => {
    const world = await new World().started();
    world.die(102, { code: null, signal: 9 });
    expect(world.take()).toEqual(["reap 102 -9", "spawn 103"]);
    expect(world.watcher.processes().map(({ wid, pid, generation }) => [wid, pid, generation])).toEqual([
      [1, 101, WALL_START],
      [2, 103, WALL_START],
    ]);
    expect(world.fleet.find((event) => event.kind === "process_exited")).toMatchObject({
      pid: 102,
      actor: undefined,
      data: { code: null, signal: 9, expected: false },
    });
  });

  it("counts the replacements of those that ended unasked, and no asked ones", async () => {
    const world = await new World({ numprocesses: 1 }).started();
    expect(world.watcher.snapshot()).toMatchObject({ restarts: 0 });
    world.die(101);
    await world.pass(0);
    expect(world.watcher.snapshot()).toMatchObject({ restarts: 1, processes: [{ pid: 102 }] });
    world.ask((w) => w.restart(NOBODY, null));
    world.die(102);
    await world.pass(0);
    expect(world.watcher.snapshot()).toMatchObject({ restarts: 1, processes: [{ pid: 103 }] });
  });

  it("that keeps dying is replaced after 0, 100, 200 … ms", async () => {
    const world = new World({ cmd: "dies 10", numprocesses: 1 });
    world.ask((w) => w.start(NOBODY));
    const spawnedAt: number[] = [];
    for (let t = 0; t < 2000; t++) {
      if (world.take().some((line) => line.startsWith("spawn"))) spawnedAt.push(world.nowMs);
      await world.pass(1);
    }
    expect(spawnedAt).toEqual([0, 10, 120, 330, 740, 1550]);
    expect(world.watcher.status).toBe("active");
  });

  it("never waits longer than 30 s, and starts anew after a healthy minute", async () => {
    const world = new World({ cmd: "dies 10", numprocesses: 1 });
    world.ask((w) => w.start(NOBODY));
    await world.pass(600_000);
    const attempts = world.spawnAttempts;
    await world.pass(300_000);
    expect(world.spawnAttempts - attempts).toBe(10);
    const proven = new World({ cmd: "dies 62500", numprocesses: 1 });
    proven.ask((w) => w.start(NOBODY));
    await proven.pass(62_500 * 20);
    expect(proven.spawnAttempts).toBe(21);
  });

  it("one place in back-off delays no other", async () => {
    const world = await new World({ numprocesses: 2 }).started();
    for (const _ of [1, 2, 3, 4]) {
      world.die(world.watcher.processes().find((process) => process.wid === 2)?.pid ?? 0);
      await world.pass(500);
    }
    world.take();
    world.die(Math.max(...world.pids));
    world.die(101);
    expect(world.take().filter((line) => line.startsWith("spawn"))).toHaveLength(1);
  });

  it("stays away with respawn = False; the last one stops the watcher, start runs it again", async () => {
    const world = await new World({ respawn: false }).started();
    world.die(101, { code: 0, signal: null });
    expect(world.watcher.status).toBe("active");
    world.die(102, { code: 0, signal: null });
    expect([world.watcher.status, world.take()]).toEqual(["stopped", ["reap 101 0", "reap 102 0", "stop"]]);
    world.ask((w) => w.start(NOBODY));
    expect([world.watcher.status, world.pids.length]).toEqual(["active", 2]);
  });

  it("with respawn = False, start fills the gap and decr takes the gap first", async () => {
    const world = await new World({ respawn: false, numprocesses: 3 }).started();
    world.die(101);
    world.ask((w) => w.addProcesses(NOBODY, -1));
    expect(world.pids).toEqual([102, 103]);
    world.die(102);
    const start = world.ask((w) => w.start(NOBODY));
    await world.pass(0);
    expect(start.value).toEqual(info([], [104], [103]));
  });

  it("with respawn = False and status 0 counts as healthy: what was to be done is done", async () => {
    const world = await new World({ respawn: false }).started();
    world.die(101, { code: 0, signal: null });
    world.die(102, { code: 0, signal: null });
    expect([world.watcher.status, world.turns.at(-1)]).toEqual(["stopped", true]);
    world.ask((w) => w.stop(NOBODY));
    expect(world.turns.at(-1)).toBe(true);
    world.ask((w) => w.start(NOBODY));
    expect(world.turns.at(-1)).toBe(false);
    world.die(103, { code: 0, signal: null });
    world.die(104, { code: 3, signal: null });
    expect([world.watcher.status, world.turns.at(-1)]).toEqual(["stopped", false]);
    expect(world.watcher.snapshot().reason).toBe("process 104 exited with status 3");
  });

  it("with ready.when = exited is not healthy before", async () => {
    const lifecycle = { ...PLAIN_LIFECYCLE, readyWhen: "exited" } as const;
    const world = await new World({ numprocesses: 1, respawn: false, lifecycle }).started();
    await world.pass(60_000);
    expect(world.turns).not.toContain(true);
    world.die(101, { code: 0, signal: null });
    expect(world.turns).toEqual([true]);
  });

  it("of unknown status is told without an invented one", async () => {
    const world = await new World({ numprocesses: 1, respawn: false }).started();
    world.die(101, { code: null, signal: null });
    expect(world.take()[0]).toBe("reap 101 null");
  });
});

describe("a spawn that fails (reference §2.5, design §3)", () => {
  it("is tried max_retry times, then the watcher fails with the reason", async () => {
    const world = new World({ cmd: "nosuch", maxRetry: 5 });
    const start = world.ask((w) => w.start(NOBODY));
    expect(world.watcher.status).toBe("starting");
    await world.pass(699);
    expect(start.state).toBe("waiting");
    await world.pass(1);
    expect([start.state, reason(start.value)]).toEqual(["refused", "cannot run 'nosuch': not found in PATH /bin"]);
    expect(start.value).toMatchObject({ code: "failed" });
    expect(world.spawnAttempts).toBe(5);
    expect(world.watcher.status).toBe("stopped");
    expect(world.watcher.snapshot()).toMatchObject({ state: "failed", reason: reason(start.value) });
    expect(world.take()).toEqual(["stop"]);
    expect(world.fleet.at(-1)).toMatchObject({ kind: "watcher_failed", data: { reason: reason(start.value) } });
  });

  it("takes down what had started before, and start works again once the cause is gone", async () => {
    const world = new World({ warmupDelayS: 1 });
    const start = world.ask((w) => w.start(NOBODY));
    world.failSpawns = 5;
    await world.pass(10_000);
    expect([start.state, world.pids]).toEqual(["refused", []]);
    const again = world.ask((w) => w.start(NOBODY));
    await world.pass(2000);
    expect([again.state, world.watcher.snapshot().state, world.watcher.snapshot().reason]).toEqual([
      "done",
      "active",
      null,
    ]);
  });

  it("once is no matter: the next attempt comes at once", async () => {
    const world = new World();
    world.failSpawns = 1;
    const start = world.ask((w) => w.start(NOBODY));
    await world.pass(0);
    expect([start.state, world.pids.length]).toEqual(["done", 2]);
    expect(world.fleet.filter((event) => event.kind === "process_spawn_failed")).toHaveLength(1);
  });

  it("with max_retry = -1 is tried for ever but never in a spin, and stop is honoured (D8)", async () => {
    const world = new World({ cmd: "nosuch", maxRetry: -1 });
    const start = world.ask((w) => w.start(NOBODY));
    await world.pass(600_000);
    expect(start.state).toBe("waiting");
    expect(world.spawnAttempts).toBeLessThan(35);
    const stop = world.ask((w) => w.stop(NOBODY));
    await world.pass(0);
    expect([stop.state, start.state, reason(start.value)]).toEqual(["done", "refused", "overtaken by stop"]);
    expect([world.watcher.status, world.timersPending]).toEqual(["stopped", 0]);
  });

  it("refuses a reload of what never ran, with the reason (max_retry = -1)", async () => {
    const world = new World({ cmd: "nosuch", maxRetry: -1 });
    const start = world.ask((w) => w.start(NOBODY));
    const reload = world.ask((w) => w.reload(NOBODY, { graceful: true, sequential: false, newerThan: null }));
    await world.pass(10);
    expect([start.state, reload.state]).toEqual(["waiting", "refused"]);
    expect(reason(reload.value)).toMatch(/^there is nothing to reload, it is still starting: .*cannot run/);
  });

  it("refuses a restart of what may never run, with the reason, but not one that the start itself fulfils", async () => {
    const world = new World({ cmd: "nosuch", maxRetry: -1 });
    const start = world.ask((w) => w.start(NOBODY));
    const restart = world.ask((w) => w.restart(NOBODY, null));
    const newer = world.ask((w) => w.restart(NOBODY, 1));
    await world.pass(10);
    expect([start.state, restart.state, newer.state]).toEqual(["waiting", "refused", "waiting"]);
    expect(reason(restart.value)).toMatch(/^there is nothing to restart, it is still starting: .*cannot run/);
  });

  it("lets a restart wait for a start whose attempts end", async () => {
    const world = new World({ cmd: "nosuch", maxRetry: 3 });
    const start = world.ask((w) => w.start(NOBODY));
    const restart = world.ask((w) => w.restart(NOBODY, null));
    await world.pass(10);
    expect([start.state, restart.state]).toEqual(["waiting", "waiting"]);
    await world.pass(60_000);
    expect([start.state, restart.state]).toEqual(["refused", "refused"]);
  });

  it("is helped by a new command, which takes effect at once (max_retry = -1)", async () => {
    const world = new World({ cmd: "nosuch", maxRetry: -1 });
    const start = world.ask((w) => w.start(NOBODY));
    await world.pass(60_000);
    const set = world.ask((w) => w.set(NOBODY, { cmd: "run", numprocesses: 3 }));
    await world.pass(0);
    expect([set.state, start.state, world.pids.length, world.watcher.status]).toEqual(["done", "done", 3, "active"]);
  });

  it("beside processes that run leaves them alone and goes on trying", async () => {
    const world = await new World().started();
    world.failSpawns = 9;
    world.die(101);
    await world.pass(5_000);
    expect([world.watcher.status, world.pids]).toEqual(["active", [102]]);
    expect(world.watcher.snapshot().reason).toContain("cannot run");
    await world.pass(60_000);
    expect([world.pids.length, world.watcher.snapshot().reason]).toEqual([2, null]);
  });

  it("is forgotten once a spawn has worked: only failures in a row count", async () => {
    const world = await new World({ numprocesses: 1, maxRetry: 2 }).started();
    for (const _ of [1, 2, 3]) {
      world.failSpawns = 1;
      world.die(world.pids[0] ?? 0);
      await world.pass(5_000);
    }
    expect([world.watcher.status, world.pids.length, world.watcher.snapshot().reason]).toEqual(["active", 1, null]);
  });

  it("fails the watcher when no process is left", async () => {
    const world = await new World({ numprocesses: 1 }).started();
    world.failSpawns = 5;
    world.die(101);
    await world.pass(5_000);
    expect(world.watcher.snapshot().state).toBe("failed");
    world.ask((w) => w.stop(NOBODY));
    expect(world.watcher.snapshot()).toMatchObject({ state: "stopped", reason: null });
    expect(world.fleet.at(-1)?.kind).toBe("watcher_stopped");
  });
});

describe("max_age (reference §2.7)", () => {
  it("replaces each process after max_age and its own share of the variance, drawn once", async () => {
    const world = new World({ numprocesses: 1, maxAgeS: 100, maxAgeVarianceS: 10 });
    world.chance = 0.5;
    world.ask((w) => w.start(NOBODY));
    world.chance = 0;
    await world.pass(104_999);
    expect(world.pids).toEqual([101]);
    await world.pass(10);
    expect(pub(world.take())).toEqual(["spawn 101", "start", "kill 101", "reap 101 -15", "spawn 102"]);
    await world.pass(100_010);
    expect(world.pids).toEqual([103]);
  });

  it("beyond what Node's timers can hold is still kept", async () => {
    const days = 86_400;
    const world = new World({ numprocesses: 1, maxAgeS: 40 * days, maxAgeVarianceS: 0 });
    world.ask((w) => w.start(NOBODY));
    await world.pass(39 * days * 1000);
    expect(world.pids).toEqual([101]);
    await world.pass(2 * days * 1000);
    expect(world.pids).toEqual([102]);
  });
});

describe("a wall clock that is set", () => {
  /** One life with a crash loop, a restart by age and one by hand; the clock is set in the middle of it. */
  async function life(setBy: number) {
    let wallMs = WALL_START;
    const wall = () => wallMs;
    const world = new World({ numprocesses: 1, maxAgeS: 100, maxAgeVarianceS: 0, maxRetry: -1 }, { wall });
    const seen: string[] = [];
    const pass = async (ms: number): Promise<void> => {
      await world.pass(ms);
      wallMs += ms;
      seen.push(`${world.nowMs}: ${world.take().join(", ")}`);
    };
    world.ask((w) => w.start(NOBODY));
    await pass(1000);
    for (let i = 0; i < 4; i++) {
      world.die(world.pids[0] ?? 0);
      if (i === 1) wallMs += setBy;
      await pass(50);
      await pass(500);
    }
    await pass(99_000);
    await pass(5000);
    const before = world.watcher.snapshot().generation;
    world.ask((w) => w.restart(NOBODY, null));
    await pass(40_000);
    return { seen, isNewer: world.watcher.snapshot().generation > before };
  }

  it("changes nothing of back-off, readiness and age, and a restart is newer than what was there", async () => {
    const usual = await life(0);
    expect(usual.isNewer).toBe(true);
    expect(usual.seen.join()).toMatch(/kill 105.*kill 106/);
    for (const setBy of [86_400_000, -86_400_000]) expect(await life(setBy)).toEqual(usual);
  });
});
