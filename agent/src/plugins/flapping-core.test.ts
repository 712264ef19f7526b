import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type FlappingEffect,
  type FlappingInput,
  type FlappingOptions,
  type FlappingState,
  flapping,
  readFlapping,
} from "./flapping-core.ts";
import { OptionReader } from "./options.ts";

const options = (changes: Partial<FlappingOptions> = {}): FlappingOptions => ({
  ...readFlapping(new OptionReader(new Map())),
  ...changes,
});

/** One watcher's events, told in its own words. */
class Story {
  state: FlappingState = new Map();
  readonly effects: FlappingEffect[] = [];
  hasTimer = false;
  nowS = 1000;

  constructor(changes: Partial<FlappingOptions> = {}) {
    this.feed({ kind: "configured", watcher: "web", options: options(changes) });
  }

  feed(input: FlappingInput): void {
    const step = flapping(this.state, input);
    this.state = step.state;
    this.effects.push(...step.effects);
    for (const { kind } of step.effects) {
      if (kind === "set_timer") this.hasTimer = true;
      if (kind === "clear_timer") this.hasTimer = false;
    }
  }

  event(event: string, pid: number | null = null): void {
    this.feed({ kind: "event", watcher: "web", event, pid, timeS: this.nowS });
  }

  /** A process starts, runs and dies by itself. */
  life(pid: number, ranS: number): void {
    this.event("spawn", pid);
    this.nowS += ranS;
    this.event("reap", pid);
  }

  retry(): void {
    this.hasTimer = false;
    this.feed({ kind: "retry", watcher: "web" });
  }

  /** What was done since the last look. */
  done(): string[] {
    return this.effects.splice(0).map((effect) => (effect.kind === "stop" && effect.isFinal ? "give up" : effect.kind));
  }
}

const STOP = ["stop", "set_timer"];

describe("a watcher flaps", () => {
  it("at the second quick death of one place by default, however long the agent waited in between", () => {
    const story = new Story();
    story.life(1, 0.2);
    expect(story.done()).toEqual([]);
    story.nowS += 30; // the back-off
    story.life(2, 0.9);
    expect(story.effects[0]).toEqual({
      ...{ kind: "stop", watcher: "web", isFinal: false },
      reason: "flapping: 2 deaths within 0.9 s of running; retry 1 in 7 s",
    });
    expect(story.effects[1]).toEqual({ kind: "set_timer", watcher: "web", delayS: 7 });
  });

  it("not when a process ran for longer than the window", () => {
    const story = new Story();
    for (let pid = 1; pid < 20; pid++) story.life(pid, 1.1);
    expect(story.done()).toEqual([]);
  });

  it("in any row of deaths, not only in every second pair of them", () => {
    const story = new Story();
    story.life(1, 60);
    story.life(2, 60);
    story.life(3, 0.1);
    expect(story.done()).toEqual(STOP);
  });

  it("not because two of its workers die together", () => {
    const story = new Story();
    for (let pid = 1; pid <= 8; pid++) story.event("spawn", pid);
    for (let pid = 1; pid <= 8; pid++) story.event("reap", pid);
    expect(story.done()).toEqual([]);
    // Their successors doing so at once is something else.
    for (let pid = 11; pid <= 18; pid++) story.event("spawn", pid);
    story.event("reap", 14);
    expect(story.done()).toEqual(STOP);
  });

  it("not because somebody restarts it", () => {
    const story = new Story();
    for (let round = 0; round < 5; round++) {
      for (const pid of [1, 2]) story.event("spawn", 10 * round + pid);
      story.event("start");
      for (const pid of [1, 2]) story.event("kill", 10 * round + pid);
      for (const pid of [1, 2]) story.event("reap", 10 * round + pid);
      story.event("stop");
    }
    expect(story.done()).toEqual([]);
  });

  it("not by the death of a process whose age it does not know", () => {
    const story = new Story();
    for (const pid of [1, 2, 3]) story.event("reap", pid);
    expect(story.done()).toEqual([]);
  });

  it("never where it is exempt", () => {
    const story = new Story({ active: false });
    for (let pid = 1; pid < 9; pid++) story.life(pid, 0);
    expect(story.done()).toEqual([]);
  });
});

/** Two quick deaths, and the agent does what it is told. */
function crash(story: Story, pid: number): string[] {
  story.life(pid, 0);
  story.life(pid + 1, 0);
  const done = story.done();
  story.event("stop");
  return done;
}

describe("what is done about it", () => {
  it("tries again so many times, then gives up for good", () => {
    const story = new Story({ maxRetry: 2 });
    for (const pid of [10, 20]) {
      expect(crash(story, pid)).toEqual(STOP);
      story.retry();
      expect(story.done()).toEqual(["start"]);
    }
    expect(crash(story, 30)).toEqual(["give up"]);
    expect(story.hasTimer).toBe(false);
  });

  it("never gives up with max_retry = -1", () => {
    const story = new Story({ maxRetry: -1 });
    for (let pid = 10; pid < 500; pid += 10) {
      expect(crash(story, pid)).toEqual(STOP);
      story.retry();
      story.done();
    }
  });

  it("counts anew after a process that ran", () => {
    const story = new Story({ maxRetry: 1 });
    crash(story, 10);
    story.retry();
    story.life(20, 100);
    story.done();
    expect(crash(story, 30)).toEqual(STOP);
  });

  it("leaves a person's start alone: no start on top of it, and all chances again", () => {
    const story = new Story({ maxRetry: 1 });
    crash(story, 10);
    story.event("spawn", 20);
    story.event("start");
    expect(story.done()).toEqual(["clear_timer"]);
    story.event("reap", 20);
    story.life(21, 0);
    expect(story.done()).toEqual(STOP);
  });

  it("does not count what dies while the stop is under way", () => {
    const story = new Story({ attempts: 1 });
    story.life(1, 0);
    expect(story.done()).toEqual(STOP);
    story.life(2, 0); // it came before the stop did
    story.event("stop");
    expect(story.done()).toEqual([]);
  });

  it("keeps its count where the watcher takes longer to stop than the retry waits", () => {
    const story = new Story({ maxRetry: 1 });
    story.life(10, 0);
    story.life(11, 0);
    story.retry();
    expect(story.done()).toEqual([...STOP, "start"]);
    story.event("stop");
    story.event("spawn", 20);
    story.event("start");
    story.event("reap", 20);
    story.life(21, 0);
    expect(story.done()).toEqual(["give up"]);
  });

  it("goes on watching where the watcher was stopped already", () => {
    const story = new Story({ maxRetry: 0 });
    story.life(10, 0);
    story.life(11, 0);
    expect(story.done()).toEqual(["give up"]);
    story.event("start"); // no `stop` came, since it had just stopped by itself
    story.life(12, 0);
    story.life(13, 0);
    expect(story.done()).toEqual(["give up"]);
  });

  it("forgets a watcher that is removed", () => {
    const story = new Story();
    crash(story, 10);
    story.event("remove");
    expect(story.done()).toEqual(["clear_timer"]);
    expect(story.state.size).toBe(0);
  });
});

const pids = fc.integer({ min: 1, max: 4 });
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom("spawn", "reap", "kill"),
      pid: pids,
      afterS: fc.double({ min: 0, max: 3, noNaN: true }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom("start", "stop", "retry"), pid: pids, afterS: fc.constant(0) }),
  },
);

describe("laws under any sequence of events", () => {
  it("a timer runs exactly from a stop for a while to its start, or to a start by hand", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: -1, max: 3 }), (steps, maxRetry) => {
        const story = new Story({ maxRetry });
        for (const { do: what, pid, afterS } of steps) {
          story.nowS += afterS;
          const hadTimer = story.hasTimer;
          if (what === "retry") {
            if (!hadTimer) continue;
            story.retry();
            expect(story.done()).toEqual(["start"]);
            continue;
          }
          story.event(what, pid);
          const done = story.done();
          expect([[], STOP, ["give up"], ["clear_timer"]]).toContainEqual(done);
          // Nothing is stopped twice, nor while it waits for its retry.
          if (hadTimer) expect(done).not.toEqual(STOP);
          if (done.includes("give up")) expect(story.hasTimer).toBe(false);
        }
      }),
    );
  });

  it("no more than max_retry retries in a row, as long as nothing runs and nobody else starts it", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 1, max: 5 }), (maxRetry, attempts) => {
        const story = new Story({ maxRetry, attempts });
        let starts = 0;
        for (let pid = 1; pid < 200; pid++) {
          story.life(pid, 0);
          const done = story.done();
          if (done.includes("give up")) break;
          if (done.length === 0) continue;
          story.event("stop");
          story.retry();
          expect(story.done()).toEqual(["start"]);
          starts++;
        }
        expect(starts).toBe(maxRetry);
      }),
    );
  });

  it("deaths that the agent brought about stop nothing", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const story = new Story();
        for (const { do: what, pid, afterS } of steps) {
          story.nowS += afterS;
          if (what === "retry") continue;
          if (what === "reap") story.event("kill", pid);
          story.event(what, pid);
        }
        expect(story.done()).toEqual([]);
      }),
    );
  });

  it("remembers no more than it may, whatever is lost", () => {
    const story = new Story();
    for (let pid = 1; pid <= 2200; pid++) story.event("spawn", pid);
    expect(story.state.get("web")?.lives.size).toBe(2000);
  });
});
