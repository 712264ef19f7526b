import { describe, expect, it } from "vitest";
import { INBOX_MAX, Runner, type Shell } from "./runner.ts";

const count = (state: number, input: number) => ({ state: state + input, effects: input > 0 ? [input - 1] : [] });

function shell(overrides: Partial<Shell<number, number>> = {}): Shell<number, number> & { bugs: unknown[] } {
  const bugs: unknown[] = [];
  return {
    bugs,
    now: () => 0,
    perform: (effect, feed) => feed(effect),
    onBug: (error) => bugs.push(error),
    ...overrides,
  };
}

describe("Runner", () => {
  it("takes an input that an effect feeds after the current one is done", () => {
    const order: string[] = [];
    const runner = new Runner<number, number, string>(
      0,
      (state, input) => ({ state: state + 1, effects: input < 2 ? [`a${input}`, `b${input}`] : [] }),
      {
        now: () => 0,
        perform: (effect, feed) => {
          order.push(effect);
          if (effect.startsWith("a")) feed(Number(effect[1]) + 1);
        },
        onBug: (error) => {
          throw error;
        },
      },
    );
    runner.feed(0);
    expect(order).toEqual(["a0", "b0", "a1", "b1"]);
    expect(runner.state).toBe(3);
  });

  it("reports a core that throws and goes on with the next input", () => {
    const s = shell();
    const runner = new Runner<number, number, number>(
      0,
      (state, input) => {
        if (input === 13) throw new Error("boom");
        return { state: state + input, effects: [] };
      },
      s,
    );
    runner.feed(13);
    runner.feed(1);
    expect(s.bugs).toHaveLength(1);
    expect(runner.state).toBe(1);
  });

  it("bounds its inbox", () => {
    const s = shell({
      perform: (_effect, feed) => {
        for (let i = 0; i <= INBOX_MAX; i++) feed(0);
      },
    });
    const runner = new Runner(0, count, s);
    runner.feed(1);
    expect(s.bugs).toHaveLength(1);
  });
});
