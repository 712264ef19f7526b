import { ROLLOUT_DEFAULTS, type RolloutOptions, type RolloutRecord } from "@circus-cluster/proto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { transition } from "./core.ts";
import { type PlanHost, plan, tolerated } from "./plan.ts";
import { type HostView, newCore, type RolloutCore, type RolloutEffect, type RolloutInput } from "./state.ts";
import { isOpen } from "./turn.ts";

type Send = Extract<RolloutEffect, { kind: "send" }>;

const OPTIONS: RolloutOptions = { ...ROLLOUT_DEFAULTS, soakMs: 10_000, healthTimeoutMs: 60_000 };

function record(hosts: number, options: Partial<RolloutOptions> = {}): RolloutRecord {
  const known = Array.from(
    { length: hosts },
    (_, i): PlanHost => ({ host: `web${i + 1}`, presence: "online", state: "active" }),
  );
  const all = { ...OPTIONS, ...options };
  const planned = plan({ id: "r1", fleet: "main", watcher: "web", hosts: null, options: all, wallMs: 0 }, known);
  if (planned.kind !== "plan") throw new Error(planned.reason);
  return {
    id: "r1",
    command: "restart",
    watcher: "web",
    actor: "alice",
    created: 0,
    ended: null,
    state: "running",
    reason: null,
    options: all,
    steps: planned.steps,
  };
}

function view(generation: number, over: Partial<HostView> = {}): HostView {
  const pid = generation * 10;
  return {
    epoch: 1,
    state: "active",
    numprocesses: 2,
    processes: [1, 2].map((wid) => ({ wid, pid: pid + wid, started: 0, health: "healthy", generation })),
    generation,
    crashes: 0,
    reason: null,
    ...over,
  };
}

/** A rollout, step by step. */
class Scene {
  core: RolloutCore;
  effects: RolloutEffect[] = [];
  saved: RolloutCore | null = null;

  constructor(hosts: number, options: Partial<RolloutOptions> = {}) {
    this.core = newCore(record(hosts, options));
    this.give({ kind: "begin" });
  }

  give(input: RolloutInput): RolloutEffect[] {
    const step = transition(this.core, input, 1);
    this.core = step.state;
    this.effects = [...step.effects];
    for (const effect of step.effects) if (effect.kind === "save") this.saved = effect.core;
    return this.effects;
  }

  sends(): Send[] {
    return this.effects.filter((effect) => effect.kind === "send");
  }

  seen(host: string, value: HostView | null, isLost = false): void {
    this.give({ kind: "seen", host, sight: { view: value, isLost } });
  }

  wait(ms: number): void {
    this.give({ kind: "elapsed", ms });
  }

  /** Through command and restart, into the soak time. */
  restart(host: string): void {
    this.give({ kind: "looked", host, found: view(1) });
    this.give({ kind: "accepted", commandId: `r1/${host}/1` });
    this.give({ kind: "answered", commandId: `r1/${host}/1`, outcome: "done", reason: null });
    this.give({ kind: "looked", host, found: view(2) });
  }

  get states(): string[] {
    return this.core.steps.map((step) => step.state);
  }
}

describe("a rollout", () => {
  it("looks, stores, sends, waits for health, soaks, goes on, ends", () => {
    const scene = new Scene(2);
    expect(scene.effects.map((effect) => effect.kind)).toEqual(["save", "event", "advise", "look"]);
    scene.give({ kind: "looked", host: "web1", found: view(1) });
    expect(scene.effects.map((effect) => effect.kind)).toEqual(["save", "event", "advise", "send"]);
    expect(scene.sends()).toMatchObject([{ host: "web1", commandId: "r1/web1/1", newerThan: 1 }]);
    scene.give({ kind: "accepted", commandId: "r1/web1/1" });
    expect(scene.give({ kind: "answered", commandId: "r1/web1/1", outcome: "done", reason: null })).toContainEqual({
      kind: "look",
      host: "web1",
    });
    scene.give({ kind: "looked", host: "web1", found: view(2, { processes: view(2).processes.slice(1) }) });
    expect(scene.states).toEqual(["restarted", "pending"]);
    scene.seen("web1", view(2));
    expect(scene.states).toEqual(["soaking", "pending"]);
    scene.wait(9999);
    expect(scene.states).toEqual(["soaking", "pending"]);
    scene.wait(1);
    expect(scene.states).toEqual(["done", "pending"]);
    expect(scene.effects).toContainEqual({ kind: "look", host: "web2" });
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
    expect(scene.effects).toMatchObject([
      { kind: "send", commandId: "r1/web1/1" },
      { kind: "look", host: "web2" },
    ]);
  });

  it("takes up what is open after a restart before it begins anything", () => {
    const scene = new Scene(2, { batch: [{ kind: "count", n: 2 }] });
    scene.give({ kind: "looked", host: "web1", found: view(1) });
    scene.core = { ...scene.saved!, sights: new Map() };
    scene.give({ kind: "resume" });
    expect(scene.effects).toMatchObject([{ kind: "send", host: "web1", commandId: "r1/web1/1", newerThan: 1 }]);
    scene.give({ kind: "answered", commandId: "r1/web1/1", outcome: "done", reason: null });
    expect(scene.effects).toContainEqual({ kind: "look", host: "web2" });
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

  it("keeps its laws under any interleaving of answers, illness, losses, crashes and cuts", () => {
    const setting = fc.record({
      hosts: fc.integer({ min: 1, max: 6 }),
      batch: fc.integer({ min: 1, max: 3 }),
      maxFail: fc.integer({ min: 0, max: 2 }),
      chances: fc.array(fc.tuple(fc.nat(99), fc.nat(5)), { minLength: 20, maxLength: 300 }),
    });
    let ends = 0;
    fc.assert(
      fc.property(setting, ({ hosts, batch, maxFail, chances }) => {
        const world = new World(hosts, {
          batch: [{ kind: "count", n: batch }],
          maxFail: { kind: "count", n: maxFail },
        });
        for (const [chance, host] of chances) world.act(chance, `web${(host % hosts) + 1}`);
        world.heal();
        for (let i = 0; i < 3000 && world.core.state === "running"; i++) world.kindly(i);
        expect(world.core.state).not.toBe("running");
        expect(world.core.steps.filter(isOpen)).toEqual([]);
        expect(world.core.steps.map((step) => step.state)).not.toContain("pending");
        const failed = world.core.steps.filter((step) => step.state === "failed").length;
        expect(world.core.state).toBe(failed > maxFail ? "failed" : "done");
        if (world.core.state === "done") ends++;
      }),
      { numRuns: 400 },
    );
    expect(ends).toBeGreaterThan(0);
  });
});

/** Agents, a broker that loses and delays, a controller that dies; the laws are checked at every effect. */
class World {
  core: RolloutCore;
  #saved: RolloutCore;
  readonly #views = new Map<string, HostView>();
  readonly #lost = new Set<string>();
  readonly #ids = new Map<string, string>();
  readonly #begun = new Set<string>();
  /** Results that agents remember, by id. */
  readonly #journal = new Map<string, "running" | "done" | "refused">();
  #inFlight: Send[] = [];
  #looks: string[] = [];

  constructor(hosts: number, options: Partial<RolloutOptions>) {
    this.core = newCore(record(hosts, options));
    this.#saved = this.core;
    for (const { host } of this.core.steps) this.#views.set(host, view(1));
    this.#give({ kind: "begin" });
  }

  act(chance: number, host: string): void {
    if (chance < 20) this.#answerLook(chance % 4 === 0);
    else if (chance < 40) this.#deliver(chance % 5 === 0, chance % 7 === 0);
    else if (chance < 60) this.#finish(host, chance % 6 === 0);
    else if (chance < 75) this.#give({ kind: "elapsed", ms: (chance % 10) * 700 });
    else if (chance < 82) this.#show(host);
    else if (chance < 86)
      this.#views.set(host, { ...this.#view(host), processes: [], crashes: this.#view(host).crashes + 1 });
    else if (chance < 88)
      this.#views.set(host, view(this.#view(host).generation + 1, { epoch: this.#view(host).epoch + 1 }));
    else if (chance < 90) this.#lost.add(host);
    else if (chance < 92) this.#lost.delete(host);
    else if (chance < 95) this.#crash();
    else this.#give({ kind: "online", isOnline: chance % 2 === 0 });
  }

  heal(): void {
    this.#lost.clear();
    this.#give({ kind: "online", isOnline: true });
  }

  /** A world without trouble. */
  kindly(i: number): void {
    this.#answerLook(false);
    this.#deliver(false, false);
    for (const { host } of this.core.steps) this.#finish(host, false);
    this.#show(this.core.steps[i % this.core.steps.length]!.host);
    this.#give({ kind: "elapsed", ms: 1000 });
  }

  #view(host: string): HostView {
    return this.#views.get(host)!;
  }

  #show(host: string): void {
    this.#give({ kind: "seen", host, sight: { view: this.#view(host), isLost: this.#lost.has(host) } });
  }

  #answerLook(isSilent: boolean): void {
    const host = this.#looks.shift();
    if (host === undefined) return;
    const found = isSilent || this.#lost.has(host) ? "no answer" : this.#view(host);
    this.#give({ kind: "looked", host, found });
  }

  /** The broker hands the oldest sending over, or loses it. */
  #deliver(isLostOnTheWay: boolean, isRefused: boolean): void {
    const send = this.#inFlight.shift();
    if (send === undefined || isLostOnTheWay) return;
    const { commandId, host } = send;
    if (this.#lost.has(host)) {
      this.#give({ kind: "absent", commandId });
      return;
    }
    const known = this.#journal.get(commandId);
    if (known === undefined) this.#journal.set(commandId, isRefused ? "refused" : "running");
    const result = this.#journal.get(commandId);
    if (result === "running") this.#give({ kind: "accepted", commandId });
    else this.#give({ kind: "answered", commandId, outcome: result!, reason: null });
  }

  /** The agent has restarted the watcher; its answer may be lost. */
  #finish(host: string, isAnswerLost: boolean): void {
    const commandId = `r1/${host}/1`;
    if (this.#journal.get(commandId) !== "running") return;
    this.#journal.set(commandId, "done");
    const { generation, epoch, crashes } = this.#view(host);
    this.#views.set(host, view(generation + 1, { epoch, crashes }));
    if (!isAnswerLost) this.#give({ kind: "answered", commandId, outcome: "done", reason: null });
  }

  /** The controller dies; what was sent is on its way, what was not stored never was. */
  #crash(): void {
    this.#looks = [];
    this.core = { ...this.#saved, sights: new Map(), isOnline: true };
    this.#give({ kind: "resume" });
  }

  #give(input: RolloutInput): void {
    const before = this.core;
    const step = transition(before, input, 0);
    this.core = step.state;
    for (const effect of step.effects) {
      if (effect.kind === "save") this.#saved = effect.core;
      else if (effect.kind === "look") this.#looks.push(effect.host);
      else if (effect.kind === "send") this.#check(effect);
    }
    expect(new Set(this.core.steps.filter(isOpen).map((open) => open.wave)).size).toBeLessThanOrEqual(1);
  }

  #check(send: Send): void {
    const { host, commandId, newerThan } = send;
    const stored = this.#saved.steps.find((one) => one.host === host)!;
    // Stored before it is sent, and one id for ever.
    expect(["sent", "accepted"]).toContain(stored.state);
    expect(stored).toMatchObject({ commandId, generationBefore: newerThan });
    expect(this.#ids.get(host) ?? commandId).toBe(commandId);
    this.#ids.set(host, commandId);
    if (!this.#begun.has(host)) {
      this.#begun.add(host);
      const earlier = this.core.steps.filter((one) => one.wave < stored.wave);
      for (const one of earlier) expect(["done", "failed", "skipped"]).toContain(one.state);
      const failed = this.core.steps.filter((one) => one.state === "failed").length;
      expect(failed).toBeLessThanOrEqual(tolerated(this.core.options.maxFail, this.core.steps.length));
    }
    this.#inFlight.push(send);
  }
}
