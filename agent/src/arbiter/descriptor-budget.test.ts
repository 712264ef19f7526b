import { expect, it } from "vitest";
import { watcherConfig } from "../commands/fake-agent.fixture.ts";
import { PLAIN_LIFECYCLE } from "../config/lifecycle.ts";
import { resolveStream } from "../config/streams.ts";
import type { WatcherConfig } from "../config/types.ts";
import { budgetProblem } from "./descriptor-budget.ts";

function notifying(numprocesses: number): WatcherConfig {
  const times = { intervalMs: 1, timeoutMs: 1, retries: 1, startPeriodMs: 1, onUnhealthy: "replace" } as const;
  const healthcheck = { ...times, probe: { type: "notify", watchdog: false } } as const;
  return watcherConfig(`n${numprocesses}`, { numprocesses, lifecycle: { ...PLAIN_LIFECYCLE, healthcheck } });
}

it("counts what each process costs the agent, beside what it has and what it keeps free", () => {
  const plain = watcherConfig("plain", { numprocesses: 10_000 });
  expect(budgetProblem([plain, notifying(100), notifying(36)], { limit: 300, base: 100 })).toBeNull();
  expect(budgetProblem([notifying(100), notifying(37)], { limit: 300, base: 100 })).toBe(
    "137 processes need 137 descriptors of circusd, which has 136 left of its limit 300; " +
      "raise the limit (ulimit -n, LimitNOFILE=) or lower numprocesses",
  );
  const { stream } = resolveStream({ class: "StdoutStream" });
  const streaming = { ...notifying(10), stdoutStream: stream, stderrStream: stream };
  expect(budgetProblem([streaming], { limit: 100, base: 7 })).toContain("10 processes need 30 descriptors");
  expect(budgetProblem([notifying(1)], { limit: 10, base: 100 })).toContain("which has 0 left");
  expect(budgetProblem([notifying(100_000)], { limit: Number.POSITIVE_INFINITY, base: 100 })).toBeNull();
});
