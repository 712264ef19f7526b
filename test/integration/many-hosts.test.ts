/**
 * Real agents by the dozen, worked through `circusctl` alone. `npm run forty` sets MANY_HOSTS to 40. The tests follow
 * each other on one fleet; each leaves it whole.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { assertNoLeaks } from "../support/leaks.ts";
import { ManyHosts } from "../support/many-hosts.ts";

const COUNT = Number(process.env["MANY_HOSTS"] ?? 12);
const LONG_MS = 60_000 + COUNT * 6000;
let many: ManyHosts;

beforeAll(async () => {
  many = await ManyHosts.start(COUNT);
}, LONG_MS);
afterAll(async () => {
  await many[Symbol.asyncDispose]();
  await assertNoLeaks();
}, LONG_MS);

/** Exit 0, and nothing on stderr. */
async function ctl(line: string): Promise<string> {
  const { code, stdout, stderr } = await many.fleet.ctl(line);
  expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: "" });
  return stdout;
}

/** Each host says "done" in a line of its own. */
async function doneByAll(line: string): Promise<void> {
  const lines = (await ctl(line)).trimEnd().split("\n").sort();
  expect(lines.map((text) => /^(\S+: done)/.exec(text)?.[1] ?? text)).toEqual(
    many.names.map((name) => `${name}: done`),
  );
}

describe(`${COUNT} hosts`, () => {
  it(
    "take every verb at once, and answer for themselves",
    async () => {
      const table = (await ctl("--all status")).trimEnd().split("\n");
      expect(table).toHaveLength(COUNT + 1);
      const started = await many.whole();
      for (const line of table.slice(1)) expect(line).toMatch(/^h\d\d +online +myworker +active +2\/2 +2 /);
      for (const name of many.names) {
        const pids = started.get(name)!;
        expect(await ctl("--all list myworker")).toContain(`${name}: ${pids.join(",")}\n`);
        if (name === many.names[1]) break; // the answer is the same for all; two hosts suffice
      }
      const stats = await ctl("--all stats myworker");
      for (const name of many.names)
        expect(stats).toMatch(new RegExp(`^${name}: .*\\b${started.get(name)![0]}\\b`, "m"));

      await doneByAll("--all incr myworker --at-once");
      await many.whole(3);
      await doneByAll("--all decr myworker --at-once");
      await many.whole(2);
      await doneByAll("--all set myworker numprocesses 1 --at-once");
      await many.whole(1);
      await doneByAll("--all set myworker numprocesses 2 --at-once");
      const before = await many.whole(2);
      await doneByAll("--all stop myworker --at-once");
      expect(await many.states()).toEqual(["stopped"]);
      await doneByAll("--all start myworker --at-once");
      const after = await many.whole();
      for (const name of many.names) expect(after.get(name)).not.toEqual(before.get(name));
      await doneByAll("--all signal myworker hup --at-once"); // ends the worker, which is replaced
      const signalled = await many.whole();
      for (const name of many.names) expect(signalled.get(name)).not.toEqual(after.get(name));
      await ctl("--all reload myworker --at-once --soak 0");
      const reloaded = await many.whole();
      await ctl("--all restart myworker --at-once --soak 0");
      const restarted = await many.whole();
      for (const name of many.names) {
        expect(reloaded.get(name)).not.toEqual(signalled.get(name));
        expect(restarted.get(name)).not.toEqual(reloaded.get(name));
      }
    },
    LONG_MS,
  );

  it(
    "are restarted wave by wave until one of the third fails; a retry finishes it, and no request is lost elsewhere",
    async () => {
      const { broken, before, stopped, retried, loads } = await many.restartWithBrokenHost();
      const waveOf = new Map(stopped.record.steps.map(({ host, wave }) => [host, wave]));
      expect(waveOf.get(broken)).toBe(2);
      expect(stopped.result.code).toBe(4);
      expect(stopped.result.stderr).toMatch(new RegExp(`^failed: ${broken} \\(.+\\)$`, "m"));
      expect(stopped.record).toMatchObject({ state: "failed", attempt: 1 });
      for (const { host, state, wave } of stopped.record.steps) {
        expect([host, state]).toEqual([host, host === broken ? "failed" : wave < 3 ? "done" : "untouched"]);
        if (host === broken) continue;
        const isSame = String(stopped.pids.get(host)) === String(before.get(host));
        expect([host, isSame]).toEqual([host, wave === 3]);
      }
      expect(stopped.record.steps.filter(({ state }) => state === "untouched")).toHaveLength(COUNT / 4);

      expect(retried.result).toMatchObject({ code: 0, stderr: "" });
      expect(retried.record).toMatchObject({ state: "done", attempt: 2 });
      for (const { host, state, wave } of retried.record.steps) {
        expect([host, state]).toEqual([host, "done"]);
        const isOfFirst = host !== broken && wave < 3 && waveOf.get(host)! < 3;
        if (isOfFirst) expect([host, retried.pids.get(host)]).toEqual([host, stopped.pids.get(host)]);
        else expect(retried.pids.get(host)).not.toEqual(before.get(host));
      }

      expect(loads).toHaveLength(COUNT - 1);
      for (const { failures, requests, byWorker } of loads) {
        expect(failures).toEqual([]);
        expect(requests).toBeGreaterThan(20);
        expect(byWorker.size).toBeGreaterThanOrEqual(3); // some of before, some of after
      }
    },
    LONG_MS,
  );
});
