import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROLLOUT_DEFAULTS } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { openDatabase } from "../store/database.ts";
import { ROLLOUTS_MIGRATIONS } from "../store/migrations.ts";
import { planHost, planned } from "./scene.fixture.ts";
import { type RolloutCore, recordOf } from "./state.ts";
import { RolloutStore } from "./store.ts";

function core(id: string, created: number): RolloutCore {
  const made = planned(
    ["web1", "web2"].map((host) => planHost(host)),
    { deadlineMs: 9000 },
    { id },
  );
  return { ...made, created, others: ["web3"] };
}

describe("the store of rollouts", () => {
  it("gives back what was saved, countdowns included, and only what runs as open", () => {
    const db = openDatabase(":memory:", ROLLOUTS_MIGRATIONS, "FULL");
    const store = new RolloutStore(db);
    const begun = core("r1", 5);
    store.save(begun);
    const [first, second] = begun.steps;
    const changed: RolloutCore = {
      ...begun,
      state: "paused",
      floor: 2,
      openWave: 0,
      pauseLeftMs: 77,
      deadlineLeftMs: 4000,
      ending: { state: "aborted", reason: "x" },
      steps: [
        {
          ...first!,
          state: "soaking",
          generationBefore: 3,
          pidsBefore: [1, 2],
          pidsAfter: [3],
          healthLeftMs: 9.6,
          soakLeftMs: 7,
          outcome: "done",
          wanted: { numprocesses: 3 },
          before: { numprocesses: 2 },
          spreadValue: "a",
        },
        second!,
      ],
    };
    store.save(changed);
    store.save(core("r2", 6));
    const [open] = new RolloutStore(db).open();
    expect(open?.steps[0]).toMatchObject({ healthLeftMs: 10, soakLeftMs: 7, pidsBefore: [1, 2], generationBefore: 3 });
    expect(open).toMatchObject({ openWave: 0, pauseLeftMs: 77, deadlineLeftMs: 4000, others: ["web3"] });
    expect(open?.steps[0]).toMatchObject({
      wanted: { numprocesses: 3 },
      before: { numprocesses: 2 },
      spreadValue: "a",
    });
    expect(recordOf(open!)).toEqual(recordOf(changed));
    store.save({ ...changed, state: "failed", reason: "web1: no", ended: 8 });
    expect(new RolloutStore(db).open().map(({ id }) => id)).toEqual(["r2"]);
    expect(store.list(10).map(({ id, state }) => [id, state])).toEqual([
      ["r2", "running"],
      ["r1", "failed"],
    ]);
    expect(store.show("r1")).toEqual({ ...recordOf(changed), state: "failed", reason: "web1: no", ended: 8 });
    expect(store.show("r3")).toBeNull();
    db.close();
  });

  it("goes on with what the first version of it left behind", () => {
    const dir = mkdtempSync(join(tmpdir(), "rollouts-"));
    try {
      const file = join(dir, "rollouts.db");
      copyFileSync(new URL("../../../test/fixtures/rollouts-1.db", import.meta.url), file);
      const db = openDatabase(file, ROLLOUTS_MIGRATIONS, "FULL");
      const store = new RolloutStore(db);
      const [open, ...more] = store.open();
      expect(more).toEqual([]);
      // As it was planned: no floor, no pause before the wave that had begun.
      expect(open).toMatchObject({ id: "r-old-open", state: "running", floor: 0, attempt: 1, openWave: 1, others: [] });
      expect(open?.options).toEqual({
        ...ROLLOUT_DEFAULTS,
        batch: [{ kind: "count", n: 1 }],
        soakMs: 2000,
        healthTimeoutMs: 30_000,
      });
      expect(open?.steps).toMatchObject([
        { host: "web1", state: "soaking", outcome: "done", soakLeftMs: 1500, generationBefore: 3, pidsAfter: [21] },
        { host: "web2", state: "sent", outcome: "not delivered", healthLeftMs: 24_999, pidsBefore: [12] },
        { host: "web3", state: "pending", outcome: null },
      ]);
      expect(store.show("r-old-failed")).toMatchObject({
        state: "failed",
        reason: "web2: refused: busy; 1 host untouched",
        steps: [{ outcome: "done" }, { outcome: null }, { state: "untouched" }],
      });
      store.save({ ...open!, state: "paused" });
      expect(new RolloutStore(db).open()[0]).toMatchObject({ state: "paused", openWave: 1 });
      db.close();
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
