import type { LockEntry } from "@circus-cluster/proto/nats";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { holderOf, isGone, isUsed, type Lease, LOCK_TTL_MS, mayAct, nextMove, RENEW_MS, written } from "./core.ts";

const NAMES = ["a", "b", "c"];
const entry = (leader: string | null, life: string, revision = 7): LockEntry => ({ revision, value: { leader, life } });

describe("nextMove", () => {
  it("takes what nobody has, keeps its own, and leaves another's alone", () => {
    expect(nextMove(null, "a")).toEqual({ kind: "write", revision: 0, isOurs: false });
    expect(nextMove(entry("ctl1", "a"), "a")).toEqual({ kind: "write", revision: 7, isOurs: true });
    expect(nextMove(entry("ctl1", "b"), "a")).toEqual({ kind: "wait" });
    // The same name in another life is another controller.
    expect(nextMove(entry(null, "b"), "a")).toEqual({ kind: "write", revision: 7, isOurs: false });
  });

  it("waits before what is no record", () => {
    for (const value of [undefined, 1, null, {}, { leader: 1, life: "a" }, { leader: "a" }]) {
      expect(holderOf({ revision: 1, value })).toBeNull();
      expect(nextMove({ revision: 1, value }, "a")).toEqual({ kind: "wait" });
    }
  });
});

describe("a lease", () => {
  const won = written(null, 5, 9, false, 1000);

  it("is worth something from a renewal after it was won, until a quarter before the server forgets it", () => {
    expect(mayAct(won, 1000 + RENEW_MS - 1)).toBe(false);
    expect(mayAct(won, 1000 + RENEW_MS)).toBe(true);
    expect(mayAct(won, 1000 + 0.75 * LOCK_TTL_MS)).toBe(false);
    expect(isGone(won, 1000 + LOCK_TTL_MS - 1)).toBe(false);
    expect(isGone(won, 1000 + LOCK_TTL_MS)).toBe(true);
  });

  it("keeps its fence over renewals, and gets another one when it is won again", () => {
    const renewed = written(won, 5, 10, true, 3000);
    expect(renewed).toEqual({ fence: { bucket: 5, revision: 9 }, revision: 10, renewedMs: 3000, wonMs: 1000 });
    expect(written(renewed, 5, 11, false, 9000).fence).toEqual({ bucket: 5, revision: 11 });
  });
});

describe("a fence", () => {
  it.each([
    [null, false],
    [{ bucket: 5, revision: 8 }, false],
    [{ bucket: 5, revision: 9 }, true],
    [{ bucket: 5, revision: 12 }, true],
    [{ bucket: 4, revision: 12 }, false],
  ])("is new where the last one used was %j", (used, isOld) => {
    expect(isUsed({ bucket: 5, revision: 9 }, used)).toBe(isOld);
  });
});

/** One controller of the simulation; its steps are late by whatever pauses it. */
interface Node {
  readonly name: string;
  lease: Lease | null;
  nextMs: number;
}

type Fault =
  | { readonly kind: "pause"; readonly node: number; readonly ms: number }
  | { readonly kind: "lose answer"; readonly node: number }
  | { readonly kind: "give up"; readonly node: number }
  | { readonly kind: "none" };

describe("the election", () => {
  it("never lets two act at once, and every new leader has a higher fence, whatever pauses or is lost", () => {
    const fault: fc.Arbitrary<Fault> = fc.oneof(
      { weight: 6, arbitrary: fc.constant<Fault>({ kind: "none" }) },
      fc.record({ kind: fc.constant("pause" as const), node: fc.nat(2), ms: fc.nat(12_000) }),
      fc.record({ kind: fc.constant("lose answer" as const), node: fc.nat(2) }),
      fc.record({ kind: fc.constant("give up" as const), node: fc.nat(2) }),
    );
    let leaders = 0;
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 700 }), fault), { maxLength: 300 }), (script) => {
        const fences: number[] = [];
        let record: { entry: LockEntry; forgottenMs: number } | null = null;
        let revision = 0;
        let now = 0;
        const nodes = NAMES.map((name): Node => ({ name, lease: null, nextMs: 0 }));
        for (const [ms, what] of script) {
          now += ms;
          if (record !== null && now >= record.forgottenMs) record = null;
          const hit = what.kind === "none" ? undefined : nodes[what.node];
          if (what.kind === "pause" && hit !== undefined) hit.nextMs = now + what.ms;
          for (const node of nodes) {
            if (now < node.nextMs) continue;
            const seen: LockEntry | null = record?.entry ?? null;
            const move = nextMove(seen, node.name);
            node.nextMs = now + 400;
            if (move.kind === "wait") {
              node.lease = null;
              continue;
            }
            const isLeaving = what.kind === "give up" && hit === node && move.isOurs;
            const value = { leader: isLeaving ? null : node.name, life: node.name };
            record = { entry: { revision: ++revision, value }, forgottenMs: now + LOCK_TTL_MS };
            if (isLeaving) node.lease = null;
            else if (what.kind !== "lose answer" || hit !== node) {
              node.lease = written(node.lease, 1, revision, move.isOurs, now);
            }
          }
          // A paused node acts, too: it checks its lease when it wakes up, and nothing else.
          const acting = nodes.filter(({ lease }) => mayAct(lease, now));
          expect(acting.length).toBeLessThanOrEqual(1);
          const fence = acting[0]?.lease?.fence.revision;
          if (fence === undefined || fence === fences.at(-1)) continue;
          expect(fence).toBeGreaterThan(fences.at(-1) ?? 0);
          fences.push(fence);
          leaders++;
        }
      }),
    );
    expect(leaders).toBeGreaterThan(10);
  });
});
