/**
 * Tells the fleet what the watchers use: once soon after the agent has come to it, then about once a minute. Only what
 * was used while it was connected counts: of a time of which nobody told there is a gap, and no guess.
 */
import { availableParallelism } from "node:os";
import { REPORT_SPAN_MS, type UsageReport } from "@circus-cluster/proto";
import { reportOf } from "../stats/report.ts";
import type { Look } from "../stats/usage-look.ts";

/** A first report is there before somebody who has just started a host looks for it; not those of all hosts at once. */
const FIRST_MS = { least: 5000, most: 10_000 } as const;
const JITTER = 0.1;

export class UsageReporter {
  readonly #look: () => Promise<Look>;
  readonly #send: (report: UsageReport) => void;
  #timer: NodeJS.Timeout | undefined;
  /** Each connection has a turn of its own: what an earlier one still waits for is dropped. */
  #turn = 0;

  constructor(look: () => Promise<Look>, send: (report: UsageReport) => void) {
    this.#look = look;
    this.#send = send;
  }

  /** Begins anew. */
  start(): void {
    this.stop();
    const firstMs = FIRST_MS.least + Math.random() * (FIRST_MS.most - FIRST_MS.least);
    void this.#measure(this.#turn, null, firstMs);
  }

  stop(): void {
    this.#turn++;
    clearTimeout(this.#timer);
  }

  async #measure(turn: number, before: Look | null, restMs: number): Promise<void> {
    // A look that failed (/proc is gone) is no report; the next one tells of the whole time.
    const now = await this.#look().catch(() => before);
    if (turn !== this.#turn) return;
    if (before !== null && now !== null && now !== before) {
      const report = reportOf(before, now, availableParallelism());
      if (report.span >= REPORT_SPAN_MS.least && report.span <= REPORT_SPAN_MS.most) this.#send(report);
    }
    const nextMs = REPORT_SPAN_MS.usual * (1 + JITTER * (2 * Math.random() - 1));
    this.#timer = setTimeout(() => void this.#measure(turn, now, nextMs), restMs);
  }
}
