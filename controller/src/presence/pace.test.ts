import type { CommandAnswer, Heartbeat, HostName } from "@circus-cluster/proto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Command, Delivery } from "../live/commander.ts";
import { isOutOfPace, paceFor } from "./pace.ts";
import { Pacer } from "./pacer.ts";

describe("the pace of a fleet", () => {
  it.each([
    [0, 5000],
    [5000, 5000],
    [5001, 10_000],
    [12_000, 15_000],
    [60_000, 60_000],
    [1_000_000, 60_000],
  ])("of %i hosts is %i ms", (hosts, ms) => expect(paceFor(hosts, 5000)).toBe(ms));

  it("falls only with a tenth to spare, and so never goes to and fro with a host or two", () => {
    expect(paceFor(5000, 10_000)).toBe(10_000);
    expect(paceFor(4600, 10_000)).toBe(10_000);
    expect(paceFor(4500, 10_000)).toBe(5000);
    const near = fc.tuple(fc.nat(80_000), fc.integer({ min: -50, max: 50 }));
    fc.assert(
      fc.property(near, ([hosts, more]) => {
        const first = paceFor(hosts, 5000);
        const second = paceFor(Math.max(0, hosts + more), first);
        expect(paceFor(hosts, second)).toBe(second);
        expect(hosts / (first / 1000)).toBeLessThanOrEqual(Math.max(1000, hosts / 60));
      }),
    );
  });

  it("is told to hosts that beat otherwise, but not to one that is faster than usual in a small fleet", () => {
    expect([isOutOfPace(5000, 5000), isOutOfPace(100, 5000), isOutOfPace(10_000, 10_000)]).toEqual([
      false,
      false,
      false,
    ]);
    expect([isOutOfPace(10_000, 5000), isOutOfPace(5000, 10_000)]).toEqual([true, true]);
  });
});

describe("the pacer", () => {
  const beat = (interval: number, over: Partial<Heartbeat> = {}): Heartbeat => ({
    ...{ v: 1, epoch: 1, seq: 1, time: 0, interval, version: "0", load: 0, backlog: 0 },
    ...over,
  });
  const web1 = "web1" as HostName;

  it("asks once at a time, only as a leader, and an agent that does not know the command not again in its life", async () => {
    const asked: Command[] = [];
    let settle: (delivery: Delivery) => void = () => undefined;
    let leads = false;
    const send = (command: Command): Promise<Delivery> => {
      asked.push(command);
      return new Promise((resolve) => {
        settle = resolve;
      });
    };
    const pacer = new Pacer({ commander: { send }, mayAct: () => leads, pace: () => 15_000 });
    const answer = async (outcome: CommandAnswer["outcome"] | null): Promise<void> => {
      settle(
        outcome === null
          ? { kind: "silent" }
          : { kind: "answered", answer: { v: 1, id: "", outcome, reply: { status: "ok", time: 0 } } },
      );
      for (let i = 0; i < 9; i++) await Promise.resolve();
    };
    pacer.beat(web1, beat(5000));
    expect(asked).toEqual([]);
    leads = true;
    pacer.beat(web1, beat(15_000));
    pacer.beat(web1, beat(5000, { leaving: true }));
    expect(asked).toEqual([]);
    pacer.beat(web1, beat(5000));
    pacer.beat(web1, beat(5000));
    expect(asked).toMatchObject([{ host: "web1", command: "heartbeat", properties: { interval: 15_000 } }]);
    await answer(null);
    pacer.beat(web1, beat(5000));
    expect(asked).toHaveLength(2);
    await answer("refused");
    pacer.beat(web1, beat(5000));
    expect(asked).toHaveLength(2);
    pacer.beat(web1, beat(5000, { epoch: 2 }));
    expect(asked).toHaveLength(3);
  });
});
