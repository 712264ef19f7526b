/** Shows the progress of a rollout until it ends, or until nobody wants to see it any more. */
import { EXIT, hasEnded, type RolloutAdvice, type RolloutRecord, recordAfter } from "@circus-cluster/proto";
import { hasColour } from "../io.ts";
import type { FleetContext } from "./context.ts";
import { FleetError } from "./error.ts";
import { printLines } from "./output.ts";
import { changeLines, liveLines, planLines } from "./rollout-lines.ts";

export type FollowEnd =
  | { readonly kind: "ended"; readonly record: RolloutRecord }
  /** Left while it goes on. */
  | { readonly kind: "left"; readonly exit: number };

/** A controller's advice may be lost: it is asked, too. */
const POLL_MS = 2000;
const REDRAW_MS = 250;
/** Advice of other rollouts, or from before the answer, is kept up to so many. */
const EARLY_MAX = 100;

/** May this picture stand in the place of that one? Pure. */
export function isNewer(next: RolloutRecord, before: RolloutRecord | null): boolean {
  return before === null || next.revision > before.revision;
}

/** Draws what is new: lines in a log, one block in place on a terminal. */
class Progress {
  readonly #context: FleetContext;
  readonly #isLive: boolean;
  #shown = 0;
  #timer: NodeJS.Timeout | null = null;
  #last: RolloutRecord | null = null;

  constructor(context: FleetContext) {
    this.#context = context;
    this.#isLive = context.io.isOutTty && context.io.env["TERM"] !== "dumb" && !context.settings.json;
  }

  take(record: RolloutRecord): void {
    const { io, settings } = this.#context;
    const before = this.#last;
    this.#last = record;
    if (settings.json) return;
    if (this.#isLive) {
      this.#timer ??= setInterval(() => this.#draw(), REDRAW_MS);
      this.#draw();
      return;
    }
    if (before === null) printLines(io, [`rollout ${record.id}: ${planLines(record).join("; ")}`]);
    printLines(io, changeLines(before, record, hasColour(io)));
  }

  end(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #draw(): void {
    if (this.#last === null) return;
    const { io } = this.#context;
    const lines = liveLines(this.#last, io.now(), io.columns(), hasColour(io));
    const back = this.#shown === 0 ? "" : `\u001b[${this.#shown}A`;
    io.out(`${back}${lines.map((line) => `\u001b[2K${line}\n`).join("")}`);
    this.#shown = lines.length;
  }
}

/**
 * @param begin starts it, or finds it
 * @throws FleetError of `begin`; behind that, its end or how to come back is the result.
 */
export async function follow(context: FleetContext, begin: () => Promise<RolloutRecord>): Promise<FollowEnd> {
  const { client, io } = context;
  const progress = new Progress(context);
  let last: RolloutRecord | null = null;
  let id: string | null = null;
  const early: RolloutAdvice[] = [];
  let isHeard = false;
  let finish: (end: FollowEnd) => void = () => undefined;
  const ended = new Promise<FollowEnd>((resolve) => {
    finish = resolve;
  });
  const take = (record: RolloutRecord): void => {
    if (record.id !== id || !isNewer(record, last)) return;
    last = record;
    progress.take(record);
    if (hasEnded(record.state)) finish({ kind: "ended", record });
  };
  let isOver = false; // closing the connection at the end is no loss
  const leave = (exit: number, why: string): void => {
    if (isOver) return;
    isOver = true;
    const look = id === null ? "circusctl rollout list" : `circusctl rollout watch ${id}`;
    io.err(`${why}; the rollout goes on, come back to it with: ${look}\n`);
    finish({ kind: "left", exit });
  };
  // Listening comes before starting: the first steps may be quicker than the answer.
  const hear = (advice: RolloutAdvice): void => {
    if (advice.rollout.id !== id || last === null) return;
    const record = recordAfter(last, advice);
    isHeard = record !== null; // else the next question tells what was missed
    if (record !== null) take(record);
  };
  const subscription = client.onRollout((advice) => {
    if (id !== null) hear(advice);
    else if (early.length < EARLY_MAX) early.push(advice);
  });
  const undo = io.onInterrupt(() => leave(EXIT.local, "\nleft"));
  let poll: NodeJS.Timeout | undefined;
  try {
    const first = await begin();
    ({ id } = first);
    take(first);
    for (const advice of early) hear(advice);
    void client.closed.then(() => leave(EXIT.unreachable, "the connection to NATS was lost"));
    poll = setInterval(() => {
      if (isHeard) {
        isHeard = false;
        return;
      }
      client.query("rollout-show", { id }).then(
        (answer) => take(answer.result),
        (error: unknown) => {
          // Between two controllers there is none for a while; the rollout waits for the next.
          if (!(error instanceof FleetError)) finish({ kind: "left", exit: EXIT.local });
        },
      );
    }, POLL_MS);
    return await ended;
  } finally {
    isOver = true;
    clearInterval(poll);
    progress.end();
    undo();
    subscription.close();
  }
}
