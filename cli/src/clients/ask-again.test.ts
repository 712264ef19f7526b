import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { askAgain } from "./ask-again.ts";

class Silence extends Error {}
const isSilence = (error: unknown): boolean => error instanceof Silence;

/** What the nth asking becomes, after so many ms; "silence" lasts as long as it may. */
type Fate =
  | { readonly ms: number; readonly says: string }
  | { readonly ms: number; readonly fails: string }
  | "silence";

let asked: number[];
beforeEach(() => {
  vi.useFakeTimers();
  asked = [];
});
afterEach(() => vi.useRealTimers());

async function outcome(fates: readonly Fate[], timeoutMs = 5000): Promise<{ ms: number; result: string }> {
  const began = Date.now();
  const ask = (leftMs: number): Promise<string> => {
    asked.push(Date.now() - began);
    const fate = fates[asked.length - 1] ?? "silence";
    return new Promise((resolve, reject) => {
      if (fate === "silence") setTimeout(() => reject(new Silence("nobody")), leftMs);
      else setTimeout(() => ("says" in fate ? resolve(fate.says) : reject(new Error(fate.fails))), fate.ms);
    });
  };
  const ended = askAgain(ask, timeoutMs, isSilence).then(
    (text) => text,
    (error: unknown) => String(error),
  );
  const at = ended.then((result) => ({ ms: Date.now() - began, result }));
  await vi.runAllTimersAsync();
  return await at;
}

it("asks once where an answer comes soon, and not again where it is a refusal", async () => {
  expect(await outcome([{ ms: 1900, says: "yes" }])).toEqual({ ms: 1900, result: "yes" });
  expect(asked).toEqual([0]);
  asked = [];
  expect(await outcome([{ ms: 10, fails: "no such host" }])).toEqual({ ms: 10, result: "Error: no such host" });
  expect(asked).toEqual([0]);
});

it("asks another one after two seconds, then each half a second, and takes whatever comes first", async () => {
  expect(await outcome(["silence", "silence", { ms: 5, says: "yes" }])).toEqual({ ms: 2505, result: "yes" });
  asked = [];
  expect(await outcome([{ ms: 2400, says: "slow" }, "silence"])).toEqual({ ms: 2400, result: "slow" });
  expect(asked).toEqual([0, 2000]);
});

it("gives up when it was to, and after a short time asks once only", async () => {
  expect(await outcome([])).toEqual({ ms: 5000, result: "Error: nobody" });
  expect(asked).toEqual([0, 2000, 2500, 3000, 3500, 4000, 4500]);
  asked = [];
  expect(await outcome([], 800)).toEqual({ ms: 800, result: "Error: nobody" });
  expect(asked).toEqual([0]);
});
