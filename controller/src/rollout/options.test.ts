/** What each option of design §5's table does to a rollout. */
import type { RolloutOptions } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { names, planHost, planned, Scene, view } from "./scene.fixture.ts";

const one = { kind: "count", n: 1 } as const;
const steadily: Partial<RolloutOptions> = { batch: [one] };

function decide(scene: Scene, kind: "pause" | "abort" | "retry", actor = "bob"): void {
  scene.give({ kind, actor });
}
const resume = (scene: Scene, skipFailed = false): unknown => scene.give({ kind: "resume", actor: "bob", skipFailed });
const actors = (scene: Scene): (string | undefined)[] =>
  scene.effects.flatMap((effect) => (effect.kind === "event" ? [effect.draft.actor] : []));

describe("--canary", () => {
  it("waits for a resume behind the first wave, and says so", () => {
    const scene = new Scene(4, { canary: 1, batch: [{ kind: "count", n: 3 }] });
    expect(scene.core.steps.map((step) => step.wave)).toEqual([0, 1, 1, 1]);
    scene.complete("web1");
    expect(scene.core).toMatchObject({
      state: "paused",
      waiting: "rollout resume",
      reason: "the canary is done; waits for: circusctl rollout resume r1",
    });
    scene.wait(3_600_000);
    expect(scene.states).toEqual(["done", "pending", "pending", "pending"]);
    resume(scene);
    expect(scene.core).toMatchObject({ state: "running", waiting: null, reason: null });
    expect(scene.looks()).toEqual(["web2", "web3", "web4"]);
    expect(actors(scene)).toEqual(["bob"]);
  });

  it("--canary-pause goes on by itself, counting only time in which it runs; a resume cuts it short", () => {
    const scene = new Scene(3, { ...steadily, canary: 1, canaryPauseMs: 10_000 });
    scene.complete("web1");
    expect(scene.core.waiting).toBe("pauses 10s before wave 2");
    scene.wait(6000);
    decide(scene, "pause");
    scene.wait(60_000);
    expect(scene.core).toMatchObject({ state: "paused", pauseLeftMs: 4000 });
    resume(scene);
    expect(scene.looks()).toEqual(["web2"]);
  });
});

describe("--wait", () => {
  it("pauses between all waves", () => {
    const scene = new Scene(3, { ...steadily, waitMs: 5000 });
    scene.complete("web1");
    scene.wait(4999);
    expect(scene.looks()).toEqual([]);
    scene.wait(1);
    expect(scene.looks()).toEqual(["web2"]);
    scene.complete("web2");
    expect(scene.core.waiting).toBe("pauses 5s before wave 3");
  });
  it("ask: each wave waits for an approval", () => {
    const scene = new Scene(3, { ...steadily, waitMs: null });
    scene.complete("web1");
    expect(scene.core.state).toBe("paused");
    resume(scene);
    scene.complete("web2");
    expect(scene.core).toMatchObject({ state: "paused", reason: expect.stringMatching(/^wave 2 is done/) as string });
    resume(scene);
    scene.complete("web3");
    expect(scene.core.state).toBe("done");
  });
});

describe("--min-healthy", () => {
  it("waits rather than break the floor, names who is ill, and goes on when it is well again", () => {
    const scene = new Scene(4, steadily); // floor: all but one wave = 3
    scene.seen("web4", view(1, { state: "failed", processes: [] }));
    scene.give({ kind: "looked", host: "web1", found: view(1) });
    expect(scene.states[0]).toBe("pending");
    expect(scene.core.waiting).toBe(
      "waits for healthy hosts: 3 of 4 are, 3 have to stay so; not healthy: web4 (failed)",
    );
    scene.seen("web4", view(1));
    expect(scene.looks()).toEqual(["web1"]);
    expect(scene.core.waiting).toBeNull();
  });

  it("begins as many of a wave as the floor permits, and the ill ones always", () => {
    const known = names(6).map((host) => planHost(host));
    const scene = new Scene(planned(known, { batch: [{ kind: "count", n: 6 }], minHealthy: { kind: "count", n: 4 } }));
    scene.seen("web6", view(1, { processes: [] }));
    for (const host of names(6))
      scene.give({ kind: "looked", host, found: scene.core.sights[Number(host.at(-1)) - 1]!.view! });
    expect(scene.states).toEqual(["sent", "pending", "pending", "pending", "pending", "sent"]);
  });

  it("counts hosts that are no targets, and those at which another rollout is at work", () => {
    const known = names(4).map((host) => planHost(host));
    const core = planned(known, { ...steadily, minHealthy: { kind: "count", n: 3 } }, { hosts: ["web1", "web2"] });
    expect(core.others).toEqual(["web3", "web4"]);
    const scene = new Scene({ ...core, busy: new Set(["web3", "web1"]) });
    expect(scene.core.waiting).toBe("waits for web1: another rollout is at work there");
    scene.give({ kind: "busy", hosts: new Set(["web3"]) });
    expect(scene.core.waiting).toMatch(/not healthy: web3 \(another rollout is there\)$/);
    scene.give({ kind: "busy", hosts: new Set() });
    expect(scene.looks()).toEqual(["web1"]);
  });

  it("default: room for one wave and the failures tolerated; less where a host is left out", () => {
    expect(planned(names(10).map((host) => planHost(host))).floor).toBe(7); // 25 % of 10, rounded up
    const known = names(4).map((host) => planHost(host));
    const scene = new Scene(planned(known, { ...steadily, maxFail: one }));
    expect(scene.core.floor).toBe(2);
    scene.give({ kind: "looked", host: "web1", found: view(1, { state: "stopped", processes: [] }) });
    expect(scene.core).toMatchObject({ floor: 1, state: "running" });
  });
});

describe("--on-lost", () => {
  it("skip: a silent host is left out and named, in whatever state", () => {
    const scene = new Scene(2, { ...steadily, onLost: "skip" });
    scene.give({ kind: "looked", host: "web1", found: view(1) });
    scene.seen("web1", view(1), true);
    expect(scene.core.steps[0]).toMatchObject({
      state: "skipped",
      outcome: "not delivered",
      reason: "not delivered: the host is lost",
    });
    scene.complete("web2");
    scene.seen("web2", null, true);
    expect(scene.core.state).toBe("done");
  });
});

describe("--deadline", () => {
  it("runs only while the rollout does; then what is open is followed, the rest untouched", () => {
    const scene = new Scene(3, { ...steadily, deadlineMs: 20_000 });
    scene.complete("web1"); // soaks 10 s
    decide(scene, "pause");
    scene.wait(60_000);
    resume(scene);
    scene.give({ kind: "looked", host: "web2", found: view(1) });
    scene.give({ kind: "online", isOnline: false });
    scene.wait(60_000);
    scene.give({ kind: "online", isOnline: true });
    scene.wait(9_999);
    expect(scene.core.state).toBe("running");
    scene.wait(1);
    expect(scene.core.state).toBe("aborting");
    scene.give({ kind: "answered", commandId: "r1/web2/1", outcome: "done", reason: null });
    scene.give({ kind: "looked", host: "web2", found: view(2) });
    scene.wait(10_000);
    expect(scene.states).toEqual(["done", "done", "untouched"]);
    expect(scene.core).toMatchObject({ state: "failed", reason: "the deadline of 20s is over; 1 host untouched" });
  });
});

describe("pause, resume, abort, retry", () => {
  it("pause follows what is at work and begins nothing; abort leaves the rest untouched", () => {
    const scene = new Scene(3, steadily);
    scene.give({ kind: "looked", host: "web1", found: view(1) });
    decide(scene, "pause");
    expect(scene.core).toMatchObject({ state: "paused", reason: "paused by bob" });
    scene.give({ kind: "answered", commandId: "r1/web1/1", outcome: "done", reason: null });
    scene.give({ kind: "looked", host: "web1", found: view(2) });
    scene.wait(10_000);
    expect(scene.states).toEqual(["done", "pending", "pending"]);
    expect(scene.effects).not.toContainEqual(expect.objectContaining({ kind: "look" }));
    decide(scene, "abort", "carol");
    expect(scene.states).toEqual(["done", "untouched", "untouched"]);
    expect(scene.core).toMatchObject({ state: "aborted", reason: "aborted by carol; 2 hosts untouched", ended: 1 });
  });

  it("a picture that comes after the pause starts nothing", () => {
    const scene = new Scene(1);
    decide(scene, "pause");
    scene.give({ kind: "looked", host: "web1", found: view(1) });
    expect(scene.states).toEqual(["pending"]);
    resume(scene);
    expect(scene.looks()).toEqual(["web1"]);
  });

  it("retry takes only what failed or was left, under new ids, and watches nothing of before", () => {
    const scene = new Scene(4, steadily);
    scene.complete("web1");
    scene.refuse("web2");
    expect(scene.states).toEqual(["done", "failed", "untouched", "untouched"]);
    expect(scene.core.state).toBe("failed");
    decide(scene, "pause");
    expect(scene.core.state).toBe("failed"); // does not fit, changes nothing
    decide(scene, "retry");
    expect(scene.core).toMatchObject({ state: "running", attempt: 2, ended: null, reason: null });
    expect(scene.core.steps.map(({ wave, commandId }) => [wave, commandId])).toEqual([
      [0, "r1/web1/1"],
      [4, "r1/web2/2"],
      [5, "r1/web3/2"],
      [6, "r1/web4/2"],
    ]);
    scene.seen("web1", view(2, { state: "stopped", processes: [] })); // on purpose, hours later
    expect(scene.states[0]).toBe("done");
    scene.seen("web1", view(2));
    for (const host of ["web2", "web3", "web4"]) scene.complete(host);
    expect(scene.core).toMatchObject({ state: "done", reason: null });
    decide(scene, "retry");
    expect(scene.core.attempt).toBe(2); // nothing is left
  });

  it("resume --skip-failed goes on behind the failed host, and leaves it out", () => {
    const scene = new Scene(3, steadily);
    scene.refuse("web1");
    expect(scene.core.state).toBe("failed");
    resume(scene);
    expect(scene.core.state).toBe("failed");
    resume(scene, true);
    expect(scene.core.steps[0]).toMatchObject({ state: "skipped", reason: "skipped after it failed: refused: busy" });
    for (const host of ["web2", "web3"]) scene.complete(host);
    expect(scene.core).toMatchObject({ state: "done", reason: null });
    expect(scene.core.steps.map(({ commandId }) => commandId)).toEqual(["r1/web1/1", "r1/web2/1", "r1/web3/1"]);
  });

  it("superseded: what is at work is followed, what soaks is let go, the rest is untouched", () => {
    const scene = new Scene(3, { batch: [{ kind: "count", n: 2 }] });
    scene.give({ kind: "looked", host: "web2", found: view(1) });
    scene.restart("web1");
    scene.give({ kind: "supersede", actor: "bob", by: "r2" });
    expect(scene.states).toEqual(["done", "sent", "pending"]);
    expect(scene.core.steps[0]?.reason).toBe("soak time cut short: superseded by r2");
    scene.give({ kind: "answered", commandId: "r1/web2/1", outcome: "refused", reason: "busy" });
    expect(scene.core).toMatchObject({
      state: "superseded",
      reason: "superseded by r2; web2: refused: busy; 1 host untouched",
    });
  });
});

describe("changes of values", () => {
  const known = names(3).map((host) => planHost(host));
  const scene = (command: "set" | "incr" | "decr", properties: object, more: Partial<RolloutOptions> = {}): Scene =>
    new Scene(planned(known, { ...steadily, ...more }, { command, properties: { ...properties } }));

  it("incr sends each host an absolute number, which a repeat does not raise again", () => {
    const incr = scene("incr", { nb: 2 });
    incr.give({ kind: "looked", host: "web1", found: view(1) });
    const sent = { command: "set", properties: { name: "web", waiting: true, options: { numprocesses: 4 } } };
    expect(incr.sends()).toMatchObject([sent]);
    incr.wait(5000);
    expect(incr.sends()).toMatchObject([sent]);
    // Whole as before: only a picture from after the answer counts.
    incr.give({ kind: "answered", commandId: "r1/web1/1", outcome: "done", reason: null });
    incr.seen("web1", view(1));
    expect(incr.states[0]).toBe("restarted");
    incr.give({ kind: "looked", host: "web1", found: view(1, { numprocesses: 4 }) });
    expect(incr.states[0]).toBe("restarted");
    const four = [1, 2, 3, 4].map((wid) => ({ ...view(1).processes[0]!, wid, pid: 10 + wid }));
    incr.seen("web1", view(1, { numprocesses: 4, processes: four }));
    expect(incr.states[0]).toBe("soaking");
  });

  it("--on-fail rollback brings the old values back where it was changed, the ill host first", () => {
    const set = scene("set", { options: { cmd: "new", numprocesses: 2 } }, { onFail: "rollback" });
    expect(set.effects).toContainEqual({ kind: "look", host: "web1", options: ["cmd"] });
    const values = { cmd: "old" };
    set.give({ kind: "looked", host: "web1", found: view(1), values });
    set.give({ kind: "answered", commandId: "r1/web1/1", outcome: "done", reason: null });
    set.give({ kind: "looked", host: "web1", found: view(2) });
    set.wait(10_000);
    set.give({ kind: "looked", host: "web2", found: view(1), values });
    set.give({ kind: "answered", commandId: "r1/web2/1", outcome: "done", reason: null });
    const broken = view(2, { state: "failed", processes: [], reason: "exit 1" });
    set.seen("web2", broken);
    set.give({ kind: "looked", host: "web2", found: broken });
    expect(set.states).toEqual(["pending", "pending", "untouched"]);
    expect(set.core).toMatchObject({ state: "running", phase: "rollback" });
    expect(set.looks()).toEqual(["web2"]);
    set.give({ kind: "looked", host: "web2", found: broken });
    const back = { name: "web", waiting: true, options: { cmd: "old", numprocesses: 2 } };
    expect(set.sends()).toMatchObject([{ commandId: "r1/web2/1-undo", command: "set", properties: back }]);
    for (const [host, next] of [
      ["web2", "web1"],
      ["web1", null],
    ] as const) {
      if (host === "web1") set.give({ kind: "looked", host, found: view(2) });
      set.give({ kind: "answered", commandId: `r1/${host}/1-undo`, outcome: "done", reason: null });
      set.give({ kind: "looked", host, found: view(3) });
      expect(set.looks()).toEqual(next === null ? [] : [next]);
    }
    expect(set.states).toEqual(["restored", "restored", "untouched"]);
    expect(set.core).toMatchObject({
      state: "failed",
      reason: "web2: the watcher failed: exit 1; 2 hosts rolled back; 1 host untouched",
    });
  });

  it("does not begin a host whose old value it could not bring back", () => {
    const set = scene("set", { options: { uid: 7 } }, { onFail: "rollback" });
    set.give({ kind: "looked", host: "web1", found: view(1), values: { uid: null } });
    expect(set.core.steps[0]).toMatchObject({
      state: "failed",
      outcome: null,
      reason: "its value of uid is not known, and so could not be rolled back",
    });
    expect(set.core.state).toBe("failed");
  });
});

describe("start and stop", () => {
  it("stop takes what runs, one wave after another, whatever the floor would be", () => {
    const known = [planHost("web1"), planHost("web2", { state: "stopped", isWhole: false }), planHost("web3")];
    const scene = new Scene(planned(known, steadily, { command: "stop", properties: { reason: "move" } }));
    expect(scene.states).toEqual(["pending", "skipped", "pending"]);
    scene.give({ kind: "looked", host: "web1", found: view(1) });
    expect(scene.sends()).toMatchObject([
      { command: "stop", properties: { name: "web", reason: "move", waiting: true } },
    ]);
    const stopped = view(1, { state: "stopped", processes: [] });
    scene.give({ kind: "answered", commandId: "r1/web1/1", outcome: "done", reason: null });
    scene.give({ kind: "looked", host: "web1", found: stopped });
    scene.wait(10_000);
    scene.complete("web3", view(1), stopped);
    expect(scene.core).toMatchObject({ state: "done", reason: null });
  });
  it("start takes what does not run", () => {
    const known = [planHost("web1"), planHost("web2", { state: "stopped", isWhole: false })];
    const scene = new Scene(planned(known, steadily, { command: "start" }));
    expect(scene.core.steps).toMatchObject([{ state: "skipped", reason: "it runs already" }, { state: "pending" }]);
    scene.complete("web2", view(1, { state: "stopped", processes: [] }), view(2));
    expect(scene.core.state).toBe("done");
  });
});
