/** Races and faults, one story each. The laws that hold for any history stand in laws.test.ts. */
import { describe, expect, it } from "vitest";
import { failSafe, transition } from "./core.ts";
import { WatcherRunner } from "./runner.ts";
import { initialState, isLive, NOBODY, QUEUE_MAX, TIMERS, type WatcherInput, type WatcherState } from "./state.ts";
import { TEST_CONFIG, World } from "./world.fixture.ts";

const command = (ticket: number, kind: "start" | "stop"): WatcherInput => ({
  kind: "command",
  request: { ticket, cause: NOBODY, wallMs: 1000, command: kind === "stop" ? { kind, intent: null } : { kind } },
});
const spawned = (wid: number, pid: number): WatcherInput => ({ kind: "spawned", wid, pid, startedMs: 1000, chance: 0 });
const exited = (wid: number, pid: number): WatcherInput => ({ kind: "exited", wid, pid, code: 0, signal: null });

/** Plays inputs one second apart. */
function play(inputs: readonly WatcherInput[], config = {}) {
  let state: WatcherState = initialState({ ...TEST_CONFIG, numprocesses: 1, ...config });
  const effects = inputs.map((input, i) => {
    const step = transition(state, input, i * 1000);
    state = step.state;
    return step.effects;
  });
  return { state, effects, last: effects.at(-1) ?? [] };
}

describe("stale and early facts", () => {
  const running = [command(1, "start"), spawned(1, 11)];

  it.each<[string, WatcherInput]>([
    ["an exit of another pid in the same wid", exited(1, 12)],
    ["an exit of the same pid in another wid", exited(2, 11)],
    ["a failed spawn of a wid that runs", { kind: "spawn_failed", wid: 1, reason: "late" }],
    ["children of one that has gone", { kind: "children_signalled", wid: 1, pid: 9, children: [] }],
  ])("%s changes nothing", (_what, input) => {
    const before = play(running);
    const step = transition(before.state, input, 1000);
    expect(step).toEqual({ state: before.state, effects: [] });
  });

  it.each(TIMERS)("the timer `%s`, fired without being due, is at most set again", (timer) => {
    const before = play(running);
    const step = transition(before.state, { kind: "timer_fired", timer }, 1500);
    expect(step.state).toEqual(before.state);
    expect(step.effects).toEqual(timer === "healthy" ? [{ kind: "set_timer", timer, delayMs: 1500 }] : []);
  });

  it("a second exit of one process makes no second successor", () => {
    const { last, state } = play([...running, exited(1, 11), spawned(1, 12), exited(1, 11)]);
    expect(last).toEqual([]);
    expect(state.processes).toHaveLength(1);
  });

  it("a process that nobody waits for is killed, not left to itself", () => {
    const { last } = play([...running, spawned(1, 99)]);
    expect(last).toEqual([{ kind: "signal", to: "group", wid: 1, pid: 99, signum: 9 }]);
  });

  it("a stop while a spawn is under way stops the process as soon as it is known", () => {
    const { effects, state } = play([command(1, "start"), command(2, "stop"), spawned(1, 11)]);
    expect(effects[1]?.filter((effect) => effect.kind === "reply")).toHaveLength(1);
    expect(effects[2]).toContainEqual({ kind: "signal", to: "process", wid: 1, pid: 11, signum: 15 });
    expect(state.status).toBe("stopping");
  });

  it("a failed spawn that nobody waits for any more does not turn a stop into a failure", () => {
    const failed: WatcherInput = { kind: "spawn_failed", wid: 1, reason: "x" };
    const { state } = play([command(1, "start"), command(2, "stop"), failed], { maxRetry: 1 });
    expect([state.status, state.isFailed, state.timers]).toEqual(["stopped", false, {}]);
  });

  it("does first, then tells, then replies; the successor comes before the news of the death", () => {
    const { effects } = play([...running, exited(1, 11)]);
    expect(effects[1]?.map((effect) => effect.kind).at(-1)).toBe("reply");
    expect(effects[2]?.map((effect) => effect.kind)).toEqual(["spawn", "clear_timer", "publish", "emit"]);
  });

  it("is plain data: a state survives JSON", () => {
    const { state } = play([...running, command(2, "stop")]);
    expect(JSON.parse(JSON.stringify(state))).toEqual(state);
  });
});

describe("the queue", () => {
  it("takes one command after the other", async () => {
    const world = await new World({ cmd: "slow" }).started();
    const restart = world.ask((w) => w.restart(NOBODY, null));
    const incr = world.ask((w) => w.addProcesses(NOBODY, 1));
    await world.pass(100);
    expect([restart.state, incr.state, world.watcher.config.numprocesses]).toEqual(["waiting", "waiting", 2]);
    await world.pass(300);
    expect([restart.state, incr.value, world.pids.length]).toEqual(["done", 3, 3]);
  });

  it("is bounded; a stop still gets through", async () => {
    const world = await new World({ cmd: "slow" }).started();
    world.ask((w) => w.restart(NOBODY, null));
    const waiting = Array.from({ length: QUEUE_MAX }, () => world.ask((w) => w.addProcesses(NOBODY, 0)));
    const refused = world.ask((w) => w.start(NOBODY));
    const stop = world.ask((w) => w.stop(NOBODY));
    await world.pass(0);
    expect(refused.value).toMatchObject({ code: "conflict", message: "too many commands wait on 'web'" });
    await world.pass(1000);
    expect([stop.state, world.watcher.status]).toEqual(["done", "stopped"]);
    expect(waiting.every((outcome) => outcome.state === "done")).toBe(true);
  });

  it("a stop overtakes what would start something, keeps what only changes a number", async () => {
    const world = await new World({ cmd: "slow" }).started();
    const all = [
      world.ask((w) => w.restart(NOBODY, null)),
      world.ask((w) => w.start(NOBODY)),
      world.ask((w) => w.addProcesses(NOBODY, 1)),
      world.ask((w) => w.stop(NOBODY)),
    ];
    await world.pass(5000);
    expect(all.map((outcome) => outcome.state)).toEqual(["refused", "refused", "done", "done"]);
    expect([world.watcher.status, world.watcher.config.numprocesses, world.pids]).toEqual(["stopped", 3, []]);
  });

  it("a decr that a stop overtakes has done its work: the number holds", async () => {
    const world = await new World({ cmd: "slow" }).started();
    const decr = world.ask((w) => w.addProcesses(NOBODY, -1));
    const stop = world.ask((w) => w.stop(NOBODY));
    await world.pass(1000);
    expect([decr.value, stop.state, world.watcher.status]).toEqual([1, "done", "stopped"]);
  });

  it("a new process killed during a graceful reload ends it, and no third generation is made", async () => {
    const world = await new World({ cmd: "slow" }).started();
    const reload = world.ask((w) => w.reload(NOBODY, { graceful: true, sequential: false, newerThan: null }));
    world.ask((w) => w.kill(NOBODY, 103, null, null));
    await world.pass(5000);
    expect([reload.state, world.pids, world.spawnAttempts]).toEqual(["refused", [101, 102], 4]);
  });

  it("a stop during a graceful reload stops old and new", async () => {
    const world = await new World().started();
    const reload = world.ask((w) => w.reload(NOBODY, { graceful: true, sequential: false, newerThan: null }));
    await world.pass(500);
    world.ask((w) => w.stop(NOBODY));
    await world.pass(500);
    expect([reload.state, world.pids, world.watcher.status]).toEqual(["refused", [], "stopped"]);
  });

  it("an old process that dies during a graceful reload is not replaced by a third one", async () => {
    const world = await new World().started();
    world.ask((w) => w.reload(NOBODY, { graceful: true, sequential: false, newerThan: null }));
    await world.pass(500);
    world.die(101);
    await world.pass(500);
    expect(world.pids).toEqual([102, 103, 104]);
    await world.pass(5000);
    expect(world.pids).toEqual([103, 104]);
  });
});

describe("a core that throws", () => {
  const boom = () => {
    throw new Error("boom");
  };

  it("fails its watcher only: processes stay, all who wait are told, the next command works", () => {
    // The exit that broke the core must still be known afterwards, or a later stop would wait for ever.
    const replies: unknown[] = [];
    let isBroken = false;
    const told: string[] = [];
    const exits = new Map<number, () => void>();
    const runner = new WatcherRunner(
      initialState(TEST_CONFIG),
      {
        spawn: (_request, onExit) => {
          const pid = exits.size + 1;
          exits.set(pid, () => onExit({ code: 0, signal: null }));
          return { ok: true, pid, startedMs: 1 };
        },
        signal: (pid) => told.push(`signal ${pid}`),
        killGroup: boom,
        signalChildren: () => [],
        attend: () => undefined,
        stateTurned: () => undefined,
        watchHealth: () => null,
        callHook: boom,
        healthTurned: () => undefined,
        statusTurned: () => undefined,
        configTurned: () => undefined,
        outputAtRest: () => Promise.resolve(),
        intend: () => undefined,
        escalate: () => undefined,
        setTimer: () => 0,
        clearTimer: () => undefined,
        now: () => 0,
        wall: () => 5,
        random: () => 0,
        bus: { publish: () => undefined, emit: ({ kind }) => told.push(kind) },
        log: {
          ...console,
          warning: boom,
          critical: boom,
          error: () => undefined,
          info: boom,
          debug: boom,
          child: boom,
        },
      },
      (ticket, result) => replies.push([ticket, result.kind === "done" ? "done" : result.code]),
      (state, input, now) => (isBroken ? boom() : transition(state, input, now)),
    );
    runner.feed(command(1, "start"));
    runner.feed(command(2, "stop"));
    told.length = 0;
    isBroken = true;
    exits.get(1)?.();
    expect(runner.state.goal).toBe("held");
    expect(runner.state.processes.filter(isLive).map((process) => process.pid)).toEqual([2]);
    runner.feed(command(3, "start"));
    isBroken = false;
    expect(replies).toEqual([
      [1, "done"],
      [2, "internal"],
      [3, "internal"],
    ]);
    runner.feed(command(4, "stop"));
    exits.get(2)?.();
    expect(replies.at(-1)).toEqual([4, "done"]);
    expect(runner.state.status).toBe("stopped");
  });

  it("owns a process whose arrival broke it", () => {
    const { state } = play([command(1, "start")]);
    const step = failSafe(state, spawned(1, 11), 5, "broken");
    expect(step.state.processes.map((process) => process.kind)).toEqual(["running"]);
    expect(step.effects).toContainEqual(expect.objectContaining({ kind: "emit" }));
  });
});

describe("a dependency that throws", () => {
  it("is a failed spawn where it was a spawn, and stops nothing else", async () => {
    const world = new World(
      {},
      {
        spawn: () => {
          throw new Error("out of descriptors");
        },
        signal: () => {
          throw new Error("EPERM");
        },
      },
    );
    const start = world.ask((w) => w.start(NOBODY));
    await world.pass(5000);
    expect([start.state, (start.value as Error).message]).toEqual(["refused", "out of descriptors"]);
  });
});
