import type { Heartbeat, Presence } from "@circus-cluster/proto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type HostPresence, PRESENCE_TIMINGS, type PresenceInput, remembered, type Tell, transition } from "./core.ts";

const WALL = 1_000_000;

function beat(over: Partial<Heartbeat> = {}): PresenceInput {
  return {
    kind: "beat",
    lateMs: 0,
    beat: { v: 1, epoch: 5, seq: 1, time: 0, interval: 5000, version: "0", load: 0, backlog: 0, ...over },
  };
}
const LOOK: PresenceInput = { kind: "look" };

/** A host and a clock; wall time is the monotonic one plus a constant. */
class Scene {
  state: HostPresence;
  now = 0;
  listeningMs: number | null = 0;
  paceMs = 0;
  /** The wall clock was set by so much. */
  setByMs = 0;
  readonly told: Tell[] = [];

  constructor(past: Parameters<typeof remembered>[1] = null) {
    this.state = remembered(WALL, past);
  }

  at(now: number, input: PresenceInput = LOOK): Presence {
    this.now = now;
    const context = {
      timings: PRESENCE_TIMINGS,
      wallMs: WALL + this.setByMs + now,
      listeningMs: this.listeningMs,
      paceMs: this.paceMs,
    };
    const step = transition(this.state, input, now, context);
    this.state = step.state;
    this.told.push(...step.effects);
    return step.state.shown;
  }

  get words(): string[] {
    return this.told.map(({ presence, epoch }) => `${presence} ${epoch}`);
  }
}

describe("presence", () => {
  it("goes from online to late to lost with the silence, and back with a beat", () => {
    const scene = new Scene();
    expect(scene.at(40_000, beat())).toBe("online");
    expect(scene.at(50_000)).toBe("online");
    expect(scene.at(51_001)).toBe("late");
    expect(scene.at(60_001)).toBe("lost");
    expect(scene.at(90_000, beat({ seq: 9 }))).toBe("online");
    expect(scene.words).toEqual(["online 5", "late 5", "lost 5", "online 5"]);
    expect(scene.told[2]).toMatchObject({ seq: 1, lastHeardMs: WALL + 40_000 });
    expect(scene.told[3]).toMatchObject({ seq: 9 });
  });

  it("does not look at the wall clock, wherever that is set", () => {
    for (const setByMs of [86_400_000, -86_400_000]) {
      const scene = new Scene();
      scene.at(40_000, beat());
      scene.setByMs = setByMs;
      expect(scene.at(50_000)).toBe("online");
      expect(scene.at(51_001)).toBe("late");
      expect(scene.at(60_001)).toBe("lost");
      expect(scene.at(60_002, beat({ seq: 2 }))).toBe("online");
      expect(scene.words).toEqual(["online 5", "late 5", "lost 5", "online 5"]);
    }
  });

  it("takes a beat that was held up for a sign of the time at which it was sent", () => {
    const scene = new Scene();
    scene.at(40_000, beat());
    expect(scene.at(70_000)).toBe("lost");
    expect(scene.at(80_000, { ...beat({ seq: 2 }), lateMs: 35_000 } as PresenceInput)).toBe("lost");
    expect(scene.state).toMatchObject({ heardMs: 45_000, heardWallMs: WALL + 45_000, seq: 2 });
    expect(scene.at(80_000, { ...beat({ seq: 3 }), lateMs: 12_000 } as PresenceInput)).toBe("late");
    expect(scene.at(80_000, beat({ seq: 3 }))).toBe("online");
    expect(scene.words).toEqual(["online 5", "lost 5", "late 5", "online 5"]);
  });

  it("waits longer for those who were told to beat more slowly", () => {
    const scene = new Scene({ epoch: 5, seq: 1, heardWallMs: WALL - 9, told: { presence: "online", epoch: 5 } });
    scene.paceMs = 25_000;
    expect(scene.at(74_999)).toBe("unknown");
    expect(scene.at(75_000, beat({ interval: 25_000 }))).toBe("online");
    expect(scene.at(130_000)).toBe("online");
    expect(scene.at(130_001)).toBe("late");
    expect(scene.at(175_000)).toBe("late");
    expect(scene.at(175_001)).toBe("lost");
  });

  it("calls nobody lost within 30 s of the controller's own start or reconnect", () => {
    const scene = new Scene({ epoch: 5, seq: 1, heardWallMs: WALL - 9, told: { presence: "online", epoch: 5 } });
    expect(scene.at(29_999)).toBe("unknown");
    expect(scene.at(30_000)).toBe("lost");
    scene.at(31_000, beat());
    scene.listeningMs = null;
    expect(scene.at(100_000)).toBe("unknown");
    scene.listeningMs = 110_000;
    expect(scene.at(139_000)).toBe("unknown");
    expect(scene.at(140_000)).toBe("lost");
    expect(scene.words).toEqual(["lost 5", "online 5", "lost 5"]);
  });

  it("is silent about a host that was told to be as it is", () => {
    const scene = new Scene({ epoch: 5, seq: 1, heardWallMs: WALL, told: { presence: "online", epoch: 5 } });
    expect(scene.at(100, beat())).toBe("online");
    expect(scene.words).toEqual([]);
  });

  it("calls a life lost that gave way to a new one without a goodbye", () => {
    const scene = new Scene();
    scene.at(0, beat({ seq: 7 }));
    scene.at(3000, beat({ epoch: 6, seq: 2 }));
    expect(scene.words).toEqual(["online 5", "lost 5", "online 6"]);
    expect(scene.told[1]).toMatchObject({ seq: 7, lastHeardMs: WALL });
  });

  it("takes a goodbye for what it is, until a new life begins", () => {
    const scene = new Scene();
    scene.at(0, beat());
    expect(scene.at(100, beat({ leaving: true }))).toBe("left");
    expect(scene.at(101, beat())).toBe("left");
    expect(scene.at(99_000)).toBe("left");
    expect(scene.at(99_001, beat({ epoch: 6 }))).toBe("online");
    expect(scene.words).toEqual(["online 5", "left 5", "online 6"]);
    expect(new Scene({ epoch: 5, seq: 1, heardWallMs: 1, told: { presence: "left", epoch: 5 } }).at(99_000)).toBe(
      "left",
    );
  });

  it("ignores a beat of an older life, and bounds the interval that an agent claims", () => {
    const scene = new Scene();
    scene.at(40_000, beat({ epoch: 9, interval: 1e12 }));
    scene.at(100_000, beat({ epoch: 8 }));
    expect(scene.at(40_000 + 240_001)).toBe("lost");
  });

  it("tells again what could not be told", () => {
    const scene = new Scene();
    scene.at(0, beat());
    scene.at(1, { kind: "untold", told: scene.told[0]!.before });
    scene.at(2);
    expect(scene.words).toEqual(["online 5", "online 5"]);
  });

  it("never tells unknown, nor the same thing twice, nor online without a beat", () => {
    const inputs = fc.array(
      fc.tuple(
        fc.integer({ min: 0, max: 15_000 }),
        fc.oneof(
          fc.constant(LOOK),
          fc
            .record({ epoch: fc.integer({ min: 1, max: 3 }), seq: fc.nat(9), leaving: fc.boolean() })
            .map((over) => beat(over)),
        ),
        fc.integer({ min: 0, max: 9 }),
      ),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(inputs, (steps) => {
        const scene = new Scene();
        let now = 0;
        for (const [wait, input, chance] of steps) {
          now += wait;
          if (chance === 0) scene.listeningMs = scene.listeningMs === null ? now : null;
          const before = scene.told.length;
          scene.at(now, input);
          if (input.kind === "look") {
            for (const { presence } of scene.told.slice(before)) expect(["late", "lost"]).toContain(presence);
          }
        }
        for (let i = 1; i < scene.words.length; i++) expect(scene.words[i]).not.toBe(scene.words[i - 1]);
      }),
    );
  });
});
