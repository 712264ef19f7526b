/** Hooks in the life of a watcher, told as stories in a simulated world (reference §2.3–2.5, §2.10). */
import { describe, expect, it } from "vitest";
import type { HookName, HooksConfig } from "../config/hooks.ts";
import { PLAIN_LIFECYCLE } from "../config/lifecycle.ts";
import type { WatcherConfig } from "../config/types.ts";
import { CALLS_MAX } from "./hooks.ts";
import { type HookOutcome, NOBODY } from "./state.ts";
import { NO, World, YES } from "./world.fixture.ts";

const FAILED: HookOutcome = { kind: "failed", error: "it threw" };

function hooks(names: readonly HookName[], ignore = false): HooksConfig {
  const hook = { target: { kind: "command", line: "x" } as const, ignore, text: "exec: x" };
  return { byName: Object.fromEntries(names.map((name) => [name, hook])), timeoutMs: 5000 };
}

/** Hooks answer when the story says so. */
function world(names: readonly HookName[], config: Partial<WatcherConfig> = {}, ignore = false): World {
  const made = new World({ numprocesses: 1, hooks: hooks(names, ignore), ...config });
  made.answer = ({ call }) => (call.hook === "check" ? { outcome: YES, afterMs: 0 } : null);
  return made;
}

async function started(made: World): Promise<World> {
  const { answer } = made;
  made.answer = () => ({ outcome: YES, afterMs: 0 });
  await made.started();
  made.answer = answer;
  return made;
}

const reason = (value: unknown) => (value instanceof Error ? value.message : value);
const kinds = (made: World) => made.fleet.map((event) => event.kind);

describe("before_start and after_start", () => {
  it("both are asked, in Circus's order", async () => {
    const made = world(["before_start", "after_start", "before_spawn", "after_spawn"]);
    made.answer = () => ({ outcome: YES, afterMs: 5 });
    await made.started();
    made.ask((w) => w.stop(NOBODY));
    await made.pass(100);
    made.take();
    const start = made.ask((w) => w.start(NOBODY));
    await made.pass(1000);
    expect(start.state).toBe("done");
    expect(made.take()).toEqual([
      "hook check",
      "hook before_start",
      "hook_success",
      "hook before_spawn",
      "hook_success",
      "hook after_spawn 102",
      "hook_success",
      "spawn 102",
      "hook after_start",
      "hook_success",
      "start",
    ]);
  });

  it("a no of before_start leaves it stopped, without an event, and says why", async () => {
    const made = world(["before_start"]);
    const start = made.ask((w) => w.start(NOBODY));
    await made.pass(10);
    made.reply(NO);
    await made.pass(0);
    expect(start.state).toBe("refused");
    expect(reason(start.value)).toBe("hook before_start said no");
    expect(made.take()).toEqual(["hook check", "hook before_start", "hook_success"]);
    expect(made.watcher.snapshot()).toMatchObject({ state: "stopped", reason: "hook before_start said no" });
    expect(kinds(made)).toEqual([]);
  });

  it("a failure is told, and counts as a no, or as a yes where it is to be ignored", async () => {
    for (const ignore of [false, true]) {
      const made = world(["before_start"], {}, ignore);
      made.answer = ({ call }) => ({ outcome: call.hook === "check" ? YES : FAILED, afterMs: 0 });
      const start = made.ask((w) => w.start(NOBODY));
      await made.pass(10);
      expect(made.take()).toContain("hook_failure");
      expect(made.fleet).toContainEqual(
        expect.objectContaining({ kind: "hook_failed", data: { hook: "before_start", reason: "it threw" } }),
      );
      expect(start.state).toBe(ignore ? "done" : "refused");
      expect(made.watcher.status).toBe(ignore ? "active" : "stopped");
    }
  });

  it("wait for what the watcher depends on, and are asked once", async () => {
    const made = world(["before_start"], { lifecycle: { ...PLAIN_LIFECYCLE, dependsOn: ["db"] } });
    const start = made.ask((w) => w.start(NOBODY));
    await made.pass(60_000);
    expect(made.take()).toEqual([]);
    expect(made.watcher.snapshot()).toMatchObject({ state: "starting", reason: "waits for 'db' to be healthy" });
    made.watcher.dependenciesChanged([]);
    await made.pass(10);
    expect([made.take(), made.pids, made.timersPending]).toEqual([["hook check", "hook before_start"], [], 1]);
    // An outage while the hook is at work holds the first process back, and asks nobody again.
    made.watcher.dependenciesChanged(["db"]);
    made.reply(YES);
    await made.pass(10);
    expect([made.watcher.status, made.pids]).toEqual(["starting", []]);
    made.watcher.dependenciesChanged([]);
    await made.pass(10);
    expect([start.state, made.take()]).toEqual(["done", ["hook_success", "spawn 101", "start"]]);
    expect(kinds(made).filter((kind) => kind.startsWith("watcher_"))).toEqual(["watcher_starting", "watcher_started"]);
  });

  it("a no after waiting for a dependency is told, since the start was; a stop ends waiting and asking", async () => {
    const lifecycle = { ...PLAIN_LIFECYCLE, dependsOn: ["db"] };
    const made = world(["before_start", "before_stop"], { lifecycle });
    const start = made.ask((w) => w.start(NOBODY));
    made.watcher.dependenciesChanged([]);
    await made.pass(10);
    made.reply(NO);
    await made.pass(0);
    expect([start.state, made.watcher.status, made.timersPending]).toEqual(["refused", "stopped", 0]);
    expect(made.take()).toEqual(["hook check", "hook before_start", "hook_success", "stop"]);
    expect(kinds(made)).toEqual(["watcher_starting", "watcher_stopped"]);

    for (const unmet of [["db"], []]) {
      const other = world(["before_start"], { lifecycle });
      const waiting = other.ask((w) => w.start(NOBODY));
      other.watcher.dependenciesChanged(unmet);
      await other.pass(10);
      const stop = other.ask((w) => w.stop(NOBODY));
      other.watcher.dependenciesChanged([]);
      await other.pass(10);
      expect([waiting.state, stop.state, other.watcher.status, other.calls]).toEqual([
        "refused",
        "done",
        "stopped",
        [],
      ]);
    }
  });

  it("that fail end an agent whose life hangs on the watcher", async () => {
    for (const broken of ["check", "before_start"] as const) {
      const made = world(["before_start"], { lifecycle: { ...PLAIN_LIFECYCLE, onFailed: "quit" } });
      made.answer = ({ call }) => ({ outcome: call.hook === broken ? FAILED : YES, afterMs: 0 });
      made.ask((w) => w.start(NOBODY));
      await made.pass(10);
      expect(made.watcher.snapshot().state).toBe("failed");
      expect(made.escalated).toEqual([broken === "check" ? "it threw" : "hook before_start failed: it threw"]);
    }
  });

  it("a no of after_start stops all again", async () => {
    const made = world(["after_start"]);
    const start = made.ask((w) => w.start(NOBODY));
    await made.pass(10);
    expect(made.watcher.status).toBe("starting");
    made.reply(NO);
    await made.pass(10);
    expect(made.watcher.snapshot()).toMatchObject({ state: "failed", reason: "hook after_start said no" });
    expect(made.take()).toEqual([
      "hook check",
      "spawn 101",
      "hook after_start",
      "signal 15 101",
      "hook_success",
      "kill 101",
      "reap 101 -15",
      "stop",
    ]);
    expect(start.state).toBe("refused");
  });

  it("hooks that cannot be called refuse the start before anything is done", async () => {
    const made = world(["before_start"]);
    made.answer = () => ({ outcome: { kind: "failed", error: "hooks.before_start: cannot import 'a.b'" }, afterMs: 0 });
    const start = made.ask((w) => w.start(NOBODY));
    await made.pass(10);
    expect(reason(start.value)).toBe("hooks.before_start: cannot import 'a.b'");
    expect(made.take()).toEqual(["hook check"]);
    expect(made.watcher.snapshot().state).toBe("failed");
  });

  it("a stop does not wait for a hook that only the start needs", async () => {
    for (const name of ["before_start", "before_spawn", "after_spawn", "after_start"] as const) {
      const made = world([name]);
      const start = made.ask((w) => w.start(NOBODY));
      await made.pass(10);
      const stop = made.ask((w) => w.stop(NOBODY));
      await made.pass(10);
      expect([start.state, stop.state]).toEqual(["refused", "done"]);
      expect(made.pids).toEqual([]);
      expect(made.calls).toEqual([]);
      expect(made.timersPending).toBe(0);
    }
  });
});

describe("before_spawn and after_spawn", () => {
  it("a no of before_spawn stops the watcher, without start", async () => {
    const made = world(["before_spawn"], { numprocesses: 2 });
    made.ask((w) => w.start(NOBODY));
    await made.pass(10);
    made.reply(YES);
    await made.pass(10);
    made.reply(NO);
    await made.pass(10);
    expect(made.take().filter((line) => /^(spawn|start|stop)/.test(line))).toEqual(["spawn 101", "stop"]);
    expect(made.spawnAttempts).toBe(1);
    expect(made.watcher.snapshot()).toMatchObject({ state: "failed", reason: "hook before_spawn said no" });
  });

  it("what before_spawn writes into the environment is what the process and all later ones get", async () => {
    const made = world(["before_spawn"], { env: { A: "1" } });
    made.answer = () => ({ outcome: { kind: "returned", value: true, env: { A: "1", PORT: "8001" } }, afterMs: 0 });
    await made.started();
    expect(made.watcher.config.env).toEqual({ A: "1", PORT: "8001" });
  });

  it("a no of after_spawn ends that process and the watcher; nobody hears of a spawn before its kill", async () => {
    const made = world(["after_spawn"]);
    made.ask((w) => w.start(NOBODY));
    await made.pass(10);
    expect(made.pids).toEqual([101]);
    made.reply(NO);
    await made.pass(10);
    const told = made.take();
    expect(told.filter((line) => !line.startsWith("hook"))).toEqual([
      "signal 15 101",
      "kill 101",
      "spawn 101",
      "reap 101 -15",
      "stop",
    ]);
    expect(made.watcher.status).toBe("stopped");
  });

  it("a no during a graceful reload keeps the old processes", async () => {
    const made = await started(world(["after_spawn"]));
    const reload = made.ask((w) => w.reload(NOBODY, { graceful: true, sequential: false, newerThan: null }));
    await made.pass(10);
    made.reply(NO);
    await made.pass(100);
    expect(reason(reload.value)).toBe("hook after_spawn said no");
    expect(made.pids).toEqual([101]);
    expect(made.watcher.status).toBe("active");
  });

  it("the second process waits for the hook of the first", async () => {
    const made = world(["after_spawn"], { numprocesses: 2 });
    made.ask((w) => w.start(NOBODY));
    await made.pass(1000);
    expect(made.pids).toEqual([101]);
    made.reply(YES);
    expect(made.pids).toEqual([101, 102]);
  });
});

describe("before_stop, after_stop and the signals", () => {
  it("asks in Circus's order around a stop", async () => {
    const all = world(["before_stop", "before_signal", "after_signal", "before_reap", "after_reap", "after_stop"]);
    await started(all);
    all.answer = () => ({ outcome: YES, afterMs: 5 });
    const stop = all.ask((w) => w.stop(NOBODY));
    await all.pass(100);
    expect(stop.state).toBe("done");
    expect(all.take().filter((line) => line !== "hook_success")).toEqual([
      "hook before_stop",
      "hook before_signal 15 101",
      "signal 15 101",
      "kill 101",
      "hook after_signal 15 101",
      "reap 101 -15",
      "stop",
      "hook before_reap 101",
      "hook after_reap 101",
      "hook after_stop",
    ]);
  });

  it("a no of before_signal takes the signal back, but not SIGKILL after graceful_timeout", async () => {
    const made = await started(world(["before_signal"], { gracefulTimeoutS: 3 }));
    made.answer = () => ({ outcome: NO, afterMs: 0 });
    const stop = made.ask((w) => w.stop(NOBODY));
    await made.pass(2900);
    expect(made.take()).toEqual(["hook before_signal 15 101", "hook_success", "kill 101"]);
    await made.pass(200);
    expect(made.take()).toEqual([
      ...["group 9 101", "kill 101", "hook before_signal 9 101", "hook_success"],
      ...["reap 101 -9", "stop"],
    ]);
    expect(stop.state).toBe("done");
  });

  it("graceful_timeout begins when the signal is sent, for a hook may drain first", async () => {
    const made = await started(world(["before_signal"], { cmd: "stubborn", gracefulTimeoutS: 2 }));
    made.ask((w) => w.stop(NOBODY));
    await made.pass(4000);
    expect(made.take()).toEqual(["hook before_signal 15 101"]);
    made.reply(YES);
    await made.pass(1900);
    expect(made.pids).toEqual([101]);
    await made.pass(200);
    expect(made.pids).toEqual([]);
  });

  it("`signal` asks for each process, and says nothing of a kill", async () => {
    const made = await started(world(["before_signal", "after_signal"]));
    made.answer = ({ call }) => ({ outcome: call.facts["signum"] === 1 ? NO : YES, afterMs: 0 });
    for (const signum of [1, 10, 9]) made.ask((w) => w.signal(NOBODY, [101, 7], signum));
    await made.pass(50);
    const told = made.take();
    expect(told.filter((line) => line.startsWith("signal"))).toEqual(["signal 9 101", "signal 10 101"]);
    expect(told.some((line) => line.startsWith("kill"))).toBe(false);
    expect(made.outcomes.every((outcome) => outcome.state === "done")).toBe(true);
  });
});

describe("a hook that never returns", () => {
  it("fails when its time is up, and so do all that wait for the same one", async () => {
    const made = await started(world(["before_reap"], { numprocesses: 3 }));
    for (const pid of [...made.pids]) made.die(pid);
    await made.pass(4900);
    expect(made.pids).toHaveLength(3);
    expect(made.take().filter((line) => line === "hook_failure")).toEqual([]);
    await made.pass(200);
    expect(made.take().filter((line) => line === "hook_failure")).toHaveLength(3);
    expect(made.fleet.filter(({ kind }) => kind === "hook_failed").map(({ data }) => data)).toEqual([
      { hook: "before_reap", reason: "no answer within 5 s" },
      { hook: "before_reap", reason: "not called, as another call did not return in time" },
      { hook: "before_reap", reason: "not called, as another call did not return in time" },
    ]);
    expect(made.calls).toEqual([]);
  });

  it("delays a stop by the time of before_stop and, for all that are called after it, of one call more", async () => {
    const made = await started(world(["before_stop", "before_reap", "after_reap", "after_stop"]));
    const stop = made.ask((w) => w.stop(NOBODY));
    await made.pass(4999);
    expect(made.pids).toEqual([101]);
    await made.pass(100);
    expect(made.pids).toEqual([]);
    expect(stop.state).toBe("waiting");
    await made.pass(5000);
    expect(stop.state).toBe("done");
    expect(made.timersPending).toBe(0);
  });
});

it("no more than CALLS_MAX calls wait; what comes then goes on without being asked for", async () => {
  const made = await started(world(["before_signal"]));
  for (let i = 0; i < CALLS_MAX; i++) void made.watcher.signal(NOBODY, [101], 10);
  expect(made.take().filter((line) => line.startsWith("signal"))).toEqual([]);
  void made.watcher.signal(NOBODY, [101], 12);
  expect(made.take()).toEqual(["signal 12 101", "hook_failure"]);
});

describe("hooks and `set`", () => {
  it("takes up a hook that can be called, and refuses one that cannot", async () => {
    const made = await started(world([]));
    made.answer = () => ({ outcome: YES, afterMs: 0 });
    const good = made.ask((w) => w.set(NOBODY, { "hooks.before_stop": "a.b" }));
    await made.pass(10);
    expect(good.state).toBe("done");
    made.answer = () => ({ outcome: { kind: "failed", error: "cannot import" }, afterMs: 0 });
    const bad = made.ask((w) => w.set(NOBODY, { "hooks.before_stop": "c.d" }));
    await made.pass(10);
    expect(reason(bad.value)).toBe("cannot import");
    expect(made.watcher.config.hooks.byName.before_stop?.text).toBe("a.b");
  });

  it("completes statistics; a failure is the command's", async () => {
    const made = await started(world(["extended_stats"]));
    made.answer = () => null;
    const good = made.ask((w) => w.extendStats(101, { cpu: 1 }));
    made.calls.shift()?.tell(YES, { cpu: 1, more: 2 });
    await made.pass(0);
    expect(good.value).toEqual({ cpu: 1, more: 2 });
    const bad = made.ask((w) => w.extendStats(101, {}));
    await made.pass(6000);
    expect(reason(bad.value)).toBe("hook extended_stats failed: no answer within 5 s");
  });
});

describe("before_drain and after_undrain", () => {
  const drained = (made: World) => made.ask((w) => w.callDrainHook("before_drain"));

  it("are called when asked for, one after another; a no is the command's failure", async () => {
    const made = await started(world(["before_drain", "after_undrain"]));
    made.take();
    const out = drained(made);
    const back = made.ask((w) => w.callDrainHook("after_undrain"));
    await made.pass(10);
    expect(made.take()).toEqual(["hook before_drain"]);
    made.calls.shift()?.tell(NO);
    await made.pass(10);
    expect(reason(out.value)).toBe("hook before_drain said no");
    expect(made.take()).toEqual(["hook_success", "hook after_undrain"]);
    made.calls.shift()?.tell(YES);
    await made.pass(10);
    expect(back.value).toBe(true);
    expect(made.timersPending).toBe(0);
  });

  it("fail in time, with event; where failures are ignored that is a yes; without a hook nothing is called", async () => {
    const made = await started(world(["before_drain"]));
    const late = drained(made);
    await made.pass(0);
    await made.pass(6000);
    expect(reason(late.value)).toBe("hook before_drain failed: no answer within 5 s");
    expect(kinds(made)).toContain("hook_failed");
    const none = made.ask((w) => w.callDrainHook("after_undrain"));
    await made.pass(0);
    expect(none.value).toBe(false);
    const mild = await started(world(["before_drain"], {}, true));
    const ignored = drained(mild);
    await mild.pass(0);
    mild.calls.shift()?.tell(FAILED);
    await mild.pass(0);
    expect(ignored.value).toBe(true);
  });
});
