import { describe, expect, it } from "vitest";
import { Scene, view } from "./scene.fixture.ts";

describe("a rollout", () => {
  it("looks, stores, sends, waits for health, soaks, goes on, ends", () => {
    const scene = new Scene(2);
    expect(scene.effects.map((effect) => effect.kind)).toEqual(["save", "event", "advise", "look"]);
    scene.give({ kind: "looked", host: "web1", found: view(1) });
    expect(scene.effects.map((effect) => effect.kind)).toEqual(["save", "event", "advise", "send"]);
    expect(scene.sends()).toMatchObject([{ host: "web1", commandId: "r1/web1/1", properties: { newer_than: 1 } }]);
    scene.give({ kind: "accepted", commandId: "r1/web1/1" });
    expect(scene.give({ kind: "answered", commandId: "r1/web1/1", outcome: "done", reason: null })).toContainEqual({
      kind: "look",
      host: "web1",
      options: null,
    });
    scene.give({ kind: "looked", host: "web1", found: view(2, { processes: view(2).processes.slice(1) }) });
    expect(scene.states).toEqual(["restarted", "pending"]);
    scene.seen("web1", view(2));
    expect(scene.states).toEqual(["soaking", "pending"]);
    scene.wait(9999);
    expect(scene.states).toEqual(["soaking", "pending"]);
    scene.wait(1);
    expect(scene.states).toEqual(["done", "pending"]);
    expect(scene.effects).toContainEqual({ kind: "look", host: "web2", options: null });
    scene.restart("web2");
    scene.wait(10_000);
    expect(scene.core).toMatchObject({ state: "done", reason: null, ended: 1 });
    expect(scene.core.steps[0]).toMatchObject({ pidsBefore: [11, 12], pidsAfter: [21, 22], generationBefore: 1 });
    expect(scene.effects.at(-1)).toEqual({ kind: "end" });
  });

  it("stops where a host does not become healthy, and names what it left untouched", () => {
    const scene = new Scene(3);
    scene.restart("web1");
    scene.wait(10_000);
    scene.give({ kind: "looked", host: "web2", found: view(1) });
    scene.give({ kind: "answered", commandId: "r1/web2/1", outcome: "done", reason: null });
    const broken = view(2, { processes: [], state: "failed", reason: "spawn broken ENOENT" });
    scene.seen("web2", broken); // may be of the middle of the restart
    expect(scene.states).toEqual(["done", "restarted", "pending"]);
    scene.give({ kind: "looked", host: "web2", found: broken });
    expect(scene.states).toEqual(["done", "failed", "untouched"]);
    expect(scene.core).toMatchObject({
      state: "failed",
      reason: "web2: the watcher failed: spawn broken ENOENT; 1 host untouched",
    });
  });

  it("says how far a host came when its time is up", () => {
    const scene = new Scene(1);
    scene.give({ kind: "looked", host: "web1", found: view(1) });
    scene.give({ kind: "answered", commandId: "r1/web1/1", outcome: "done", reason: null });
    scene.seen("web1", view(2, { processes: view(2).processes.slice(1), reason: "exit 1" }));
    scene.wait(60_000);
    expect(scene.core.steps[0]?.reason).toBe("not healthy within 1m: active, 1 of 2 new processes healthy (exit 1)");
  });

  it.each<[string, (scene: Scene) => void, string]>([
    [
      "a host that never answers",
      (s) => [1, 2, 3].forEach(() => s.wait(5000)),
      "not delivered: no answer to 3 sendings",
    ],
    [
      "a host that is not connected",
      (s) => {
        for (let i = 0; i < 3; i++) {
          s.give({ kind: "absent", commandId: "r1/web1/1" });
          s.wait(1000);
        }
      },
      "not delivered: the host is not connected",
    ],
    ["a lost host", (s) => s.seen("web1", view(1), true), "not delivered: the host is lost"],
    [
      "a refusal",
      (s) => s.give({ kind: "answered", commandId: "r1/web1/1", outcome: "refused", reason: "busy" }),
      "refused: busy",
    ],
    [
      "an acceptance without a result",
      (s) => {
        s.give({ kind: "accepted", commandId: "r1/web1/1" });
        s.wait(60_000);
      },
      "accepted, no result within 1m",
    ],
  ])("fails on %s", (_what, act, reason) => {
    const scene = new Scene(1);
    scene.give({ kind: "looked", host: "web1", found: view(1) });
    act(scene);
    expect(scene.core.steps[0]).toMatchObject({ state: "failed", reason });
  });

  it("fails a host whose process exits or that is lost in the soak time", () => {
    for (const [value, isLost, reason] of [
      [view(2, { processes: view(2).processes.slice(1) }), false, "process 21 exited in the soak time"],
      [view(3), false, "process 21 exited in the soak time"],
      [view(2), true, "the host was lost in the soak time"],
    ] as const) {
      const scene = new Scene(1);
      scene.restart("web1");
      scene.seen("web1", value, isLost);
      expect(scene.core.steps[0]).toMatchObject({ state: "failed", reason });
    }
  });

  it("counts a host that falls ill after it was done, but not one whose process was replaced on purpose", () => {
    const scene = new Scene(3);
    scene.restart("web1");
    scene.wait(10_000);
    scene.seen("web1", view(3));
    expect(scene.states[0]).toBe("done");
    scene.seen("web1", view(3, { crashes: 1 }));
    expect(scene.states).toEqual(
      ["failed", "pending", "pending"].map((state) => (state === "pending" ? "untouched" : state)),
    );
    expect(scene.core.steps[0]?.reason).toBe("fell ill after it was done: a process died");
  });

  it("skips what was stopped on purpose since the plan was made, and asks a silent host three times", () => {
    const scene = new Scene(2);
    scene.give({ kind: "looked", host: "web1", found: view(1, { state: "stopped", processes: [] }) });
    expect(scene.states).toEqual(["skipped", "pending"]);
    for (const expected of ["pending", "pending", "failed"]) {
      scene.give({ kind: "looked", host: "web2", found: "no answer" });
      expect(scene.states[1]).toBe(expected);
      scene.wait(1000);
    }
    expect(scene.core.steps[1]?.reason).toBe("not delivered: the host does not answer");
  });

  it("goes on past a tolerated failure", () => {
    const scene = new Scene(2, { maxFail: { kind: "count", n: 1 } });
    scene.give({ kind: "looked", host: "web1", found: view(1) });
    scene.give({ kind: "answered", commandId: "r1/web1/1", outcome: "refused", reason: "busy" });
    scene.restart("web2");
    scene.wait(10_000);
    expect(scene.core).toMatchObject({ state: "done", reason: "web1: refused: busy" });
  });

  it("lets no time pass and gives nobody up while it cannot see the fleet, then sends the same again", () => {
    const scene = new Scene(2, { batch: [{ kind: "count", n: 2 }] });
    scene.give({ kind: "looked", host: "web1", found: view(1) });
    scene.give({ kind: "online", isOnline: false });
    scene.give({ kind: "looked", host: "web2", found: "no answer" });
    scene.wait(1_000_000);
    expect(scene.states).toEqual(["sent", "pending"]);
    scene.give({ kind: "online", isOnline: true });
    expect(scene.sends()).toMatchObject([{ commandId: "r1/web1/1" }]);
    expect(scene.looks()).toEqual(["web2"]);
  });

  it("takes up what is open after a restart before it begins anything", () => {
    const scene = new Scene(2, { batch: [{ kind: "count", n: 2 }] });
    scene.give({ kind: "looked", host: "web1", found: view(1) });
    scene.core = { ...scene.saved!, sights: scene.saved!.sights.map(() => null) };
    scene.give({ kind: "take-up" });
    expect(scene.sends()).toMatchObject([{ host: "web1", commandId: "r1/web1/1", properties: { newer_than: 1 } }]);
    expect(scene.looks()).toEqual([]);
    scene.give({ kind: "answered", commandId: "r1/web1/1", outcome: "done", reason: null });
    expect(scene.effects).toContainEqual({ kind: "look", host: "web2", options: null });
  });

  it("sends again to a new life of the agent", () => {
    const scene = new Scene(1);
    scene.give({ kind: "looked", host: "web1", found: view(1) });
    scene.give({ kind: "accepted", commandId: "r1/web1/1" });
    scene.seen("web1", view(1, { epoch: 2 }));
    expect(scene.sends()).toMatchObject([{ commandId: "r1/web1/1" }]);
    scene.seen("web1", view(1, { epoch: 2, crashes: 1 }));
    expect(scene.sends()).toEqual([]);
  });
});
