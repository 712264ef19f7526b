/** `--drain`: out of the balancer before the command, back after it, and never out in silence (see `drain.ts`). */
import type { RolloutOptions } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { Scene, view } from "./scene.fixture.ts";

const DRAIN: Partial<RolloutOptions> = { batch: [{ kind: "count", n: 1 }], drainMs: 30_000 };
const UNDRAIN = "it may be out of its balancer still; put it back by: circusctl --host web1 undrain web";

class Draining extends Scene {
  constructor(hosts = 2, options: Partial<RolloutOptions> = {}) {
    super(hosts, { ...DRAIN, ...options });
  }

  /** What was sent last, in short. */
  get sent(): string[] {
    return this.sends().map(({ command, commandId }) => `${command} ${commandId}`);
  }

  answer(commandId: string, outcome: "done" | "refused" = "done", reason: string | null = null): void {
    this.give({ kind: "accepted", commandId });
    this.give({ kind: "answered", commandId, outcome, reason });
  }

  /** Until web1 is out. */
  out(): this {
    this.give({ kind: "looked", host: "web1", found: view(1) });
    this.answer("r1/web1/1-drain1");
    return this;
  }

  /** Until the command of web1 is done. */
  commanded(after = view(2)): this {
    this.out().wait(30_000);
    this.answer("r1/web1/1");
    this.give({ kind: "looked", host: "web1", found: after });
    return this;
  }

  get web1() {
    return this.core.steps[0];
  }
}

describe("--drain", () => {
  it("drains, waits, commands, puts back the healthy host, and soaks with what it serves then", () => {
    const scene = new Draining();
    scene.give({ kind: "looked", host: "web1", found: view(1) });
    expect(scene.sends()).toMatchObject([
      { command: "drain", commandId: "r1/web1/1-drain1", properties: { name: "web", waiting: true } },
    ]);
    expect(scene.states).toEqual(["draining", "pending"]);
    scene.answer("r1/web1/1-drain1");
    expect(scene.web1).toMatchObject({ state: "drained", outcome: null, generationBefore: 1, pidsBefore: [11, 12] });
    scene.wait(29_000);
    expect(scene.sent).toEqual([]);
    scene.wait(1000);
    expect(scene.sends()).toMatchObject([{ command: "restart", properties: { newer_than: 1 } }]);
    scene.answer("r1/web1/1");
    scene.give({ kind: "looked", host: "web1", found: view(2) });
    expect(scene.sent).toEqual(["undrain r1/web1/1-undrain1"]);
    scene.answer("r1/web1/1-undrain1");
    expect(scene.web1).toMatchObject({ state: "soaking", pidsAfter: [21, 22] });
    scene.wait(10_000);
    expect(scene.states).toEqual(["done", "pending"]);
    expect(scene.looks()).toEqual(["web2"]);
  });

  it("a hook that says no fails the host before it is touched, and puts it back", () => {
    const scene = new Draining();
    scene.give({ kind: "looked", host: "web1", found: view(1) });
    scene.answer("r1/web1/1-drain1", "refused", "hook before_drain said no");
    expect(scene.sent).toEqual(["undrain r1/web1/1-undrain1"]);
    expect(scene.web1).toMatchObject({ state: "undraining", reason: "hook before_drain said no" });
    scene.answer("r1/web1/1-undrain1");
    expect(scene.web1).toMatchObject({ state: "failed", outcome: null, reason: "hook before_drain said no" });
    expect(scene.core).toMatchObject({
      state: "failed",
      reason: "web1: hook before_drain said no; 1 host untouched",
    });
  });

  it.each(["draining", "drained"])("abort of a host that is %s puts it back, untouched", (state) => {
    const scene = new Draining();
    if (state === "drained") scene.out();
    else scene.give({ kind: "looked", host: "web1", found: view(1) });
    scene.give({ kind: "abort", actor: "bob" });
    expect(scene.sent).toEqual(["undrain r1/web1/1-undrain1"]);
    expect(scene.core.state).toBe("aborting");
    scene.answer("r1/web1/1-undrain1");
    expect(scene.core).toMatchObject({ state: "aborted", reason: "aborted by bob; 2 hosts untouched" });
    scene.give({ kind: "retry", actor: "bob" });
    scene.give({ kind: "looked", host: "web1", found: view(1) });
    expect(scene.sent).toEqual(["drain r1/web1/2-drain2"]);
  });

  it("a pause lets what is at work come to its end, and begins nothing", () => {
    const scene = new Draining().out();
    scene.give({ kind: "pause", actor: "bob" });
    scene.wait(30_000);
    expect(scene.sent).toEqual(["restart r1/web1/1"]);
    scene.answer("r1/web1/1");
    scene.give({ kind: "looked", host: "web1", found: view(2) });
    scene.answer("r1/web1/1-undrain1");
    scene.wait(10_000);
    expect(scene.core).toMatchObject({ state: "paused", waiting: "rollout resume" });
    expect(scene.states).toEqual(["done", "pending"]);
  });

  it("who was put back in the middle is drained again when it is taken up, under another id", () => {
    const scene = new Draining(3, { batch: [{ kind: "count", n: 2 }] });
    scene.out();
    scene.give({ kind: "looked", host: "web2", found: view(1) });
    scene.answer("r1/web2/1-drain1", "refused", "no");
    expect(scene.states).toEqual(["drained", "undraining", "pending"]);
    scene.wait(100);
    expect(scene.sent).toEqual(["undrain r1/web1/1-undrain1"]);
    scene.answer("r1/web1/1-undrain1");
    scene.answer("r1/web2/1-undrain1");
    expect(scene.states).toEqual(["untouched", "failed", "untouched"]);
    scene.give({ kind: "resume", actor: "bob", skipFailed: true });
    scene.give({ kind: "looked", host: "web1", found: view(1) });
    expect(scene.sent).toEqual(["drain r1/web1/1-drain2"]);
  });

  it("a host that is ill after the command stays out, and the reason says so; retry begins with it", () => {
    const scene = new Draining().commanded(view(2, { state: "failed", processes: [], reason: "no such file" }));
    expect(scene.sent).toEqual([]);
    expect(scene.web1).toMatchObject({
      state: "failed",
      reason: `the watcher failed: no such file; ${UNDRAIN}`,
    });
    scene.give({ kind: "retry", actor: "bob" });
    expect(scene.web1).toMatchObject({ state: "pending", reason: UNDRAIN });
    scene.give({ kind: "abort", actor: "bob" });
    expect(scene.web1).toMatchObject({ state: "untouched", reason: UNDRAIN });
  });

  it("a command that is refused leaves a healthy host, which is put back", () => {
    const scene = new Draining().out();
    scene.wait(30_000);
    scene.answer("r1/web1/1", "refused", "busy");
    scene.answer("r1/web1/1-undrain1");
    expect(scene.web1).toMatchObject({ state: "failed", reason: "refused: busy" });
  });

  it("a failing after_undrain fails the host", () => {
    const scene = new Draining().commanded();
    scene.answer("r1/web1/1-undrain1", "refused", "hook after_undrain said no");
    expect(scene.web1).toMatchObject({ state: "failed", reason: `hook after_undrain said no; ${UNDRAIN}` });
  });

  it("a host that is lost while it is out may be out still", () => {
    const scene = new Draining().out();
    scene.seen("web1", view(1), true);
    expect(scene.web1).toMatchObject({ state: "failed", reason: `the host is lost; ${UNDRAIN}` });
  });

  it("nobody starts what somebody has stopped meanwhile", () => {
    const scene = new Draining().out();
    scene.seen("web1", view(1, { state: "stopped", processes: [] }));
    scene.wait(30_000);
    expect(scene.sent).toEqual(["undrain r1/web1/1-undrain1"]);
    scene.answer("r1/web1/1-undrain1");
    expect(scene.web1).toMatchObject({ state: "skipped", reason: "stopped on purpose" });
  });

  it("a controller that comes after goes on where the last one was: the same ids, the rest of the time", () => {
    const scene = new Draining();
    scene.give({ kind: "looked", host: "web1", found: view(1) });
    scene.core = scene.saved ?? scene.core;
    scene.give({ kind: "take-up" });
    expect(scene.sent).toEqual(["drain r1/web1/1-drain1"]);
    scene.answer("r1/web1/1-drain1");
    scene.wait(20_000);
    scene.core = scene.saved ?? scene.core;
    scene.give({ kind: "take-up" });
    expect(scene.sent).toEqual([]);
    scene.wait(10_000);
    expect(scene.sent).toEqual(["restart r1/web1/1"]);
  });

  it("silence: sent again, then given up and put back", () => {
    const scene = new Draining();
    scene.give({ kind: "looked", host: "web1", found: view(1) });
    scene.wait(5000);
    expect(scene.sent).toEqual(["drain r1/web1/1-drain1"]);
    scene.wait(5000);
    scene.wait(5000);
    expect(scene.sent).toEqual(["undrain r1/web1/1-undrain1"]);
    for (let i = 0; i < 3; i++) scene.wait(5000);
    expect(scene.web1?.reason).toBe(
      `drain: not delivered: no answer to 3 sendings; undrain: not delivered: no answer to 3 sendings; ${UNDRAIN}`,
    );
  });

  it("who is out serves nobody, and counts as such for the floor", () => {
    const scene = new Draining(3, { batch: [{ kind: "count", n: 3 }], minHealthy: { kind: "count", n: 2 } });
    scene.out();
    scene.give({ kind: "looked", host: "web2", found: view(1) });
    expect(scene.states).toEqual(["drained", "pending", "pending"]);
    expect(scene.core.waiting).toMatch(/not healthy: web1 \(out of its balancer\)$/);
  });
});
