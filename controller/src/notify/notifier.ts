/**
 * Sends the notices that are due, while this controller leads: per rule in order, one message at a time, each until it
 * has arrived or is a day old. What was sent is an event, by which the other controllers know of it.
 */
import { type EventDraft, type Logger, type Millis, reasonOf } from "@circus-cluster/proto";
import type { Book } from "./book.ts";
import type { Notice } from "./core.ts";
import { deliver, placeOf } from "./deliver.ts";
import { messageOf } from "./message.ts";
import type { Rule } from "./rules.ts";

/** In one message. */
const MESSAGE_MAX = 100;
/** What comes at the same time goes out together. */
const GROUP_MS = 2000;
const RETRY_MS = 1000;
const RETRY_MS_MAX = 300_000;
/** Nobody wants to be woken for what is older. */
const OLD_MS = 86_400_000;

export interface NotifierParts {
  readonly rules: readonly Rule[];
  readonly book: Pick<Book, "due" | "remove" | "waiting">;
  readonly fleet: string;
  readonly controller: string;
  readonly mayAct: () => boolean;
  readonly emit: (draft: EventDraft) => boolean;
  readonly tickMs: Millis;
  readonly log: Logger;
  readonly send?: typeof deliver;
}

/** Counted since the start. */
export interface NoticeCounts {
  readonly sent: number;
  /** Attempts that did not arrive. */
  readonly failed: number;
  /** Notices given up. */
  readonly dropped: number;
}

interface Line {
  readonly rule: Rule;
  isBusy: boolean;
  failures: number;
  /** Monotonic. */
  nextMs: Millis;
}

export class Notifier implements AsyncDisposable {
  readonly #parts: NotifierParts;
  readonly #lines: readonly Line[];
  readonly #timer: NodeJS.Timeout | null;
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #counts: NoticeCounts = { sent: 0, failed: 0, dropped: 0 };

  constructor(parts: NotifierParts) {
    this.#parts = parts;
    this.#lines = parts.rules.map((rule) => ({ rule, isBusy: false, failures: 0, nextMs: 0 }));
    this.#timer = parts.rules.length === 0 ? null : setInterval(() => this.#tick(), parts.tickMs);
  }

  get counts(): NoticeCounts & { readonly waiting: number } {
    return { ...this.#counts, waiting: this.#parts.book.waiting };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#stopping.abort();
    await Promise.all(this.#running);
  }

  #tick(): void {
    if (!this.#parts.mayAct()) return;
    for (const line of this.#lines) {
      if (line.isBusy || performance.now() < line.nextMs) continue;
      line.isBusy = true;
      const running = this.#serve(line)
        .catch((error: unknown) => this.#fail(line, `the database: ${reasonOf(error)}`))
        .finally(() => {
          line.isBusy = false;
          this.#running.delete(running);
        });
      this.#running.add(running);
    }
  }

  async #serve(line: Line): Promise<void> {
    const { book, send = deliver, fleet, controller } = this.#parts;
    const { name, target } = line.rule;
    const wallMs = Date.now();
    const due = book.due(name, wallMs, MESSAGE_MAX);
    const first = due[0];
    if (first === undefined || (due.length < MESSAGE_MAX && wallMs - first.due < GROUP_MS)) return;
    const old = due.filter((notice) => wallMs - notice.due > OLD_MS);
    if (old.length > 0) {
      this.#giveUp(line, old);
      return;
    }
    const message = messageOf({ fleet, controller, rule: name }, due);
    const reason = await send(target, message, this.#stopping.signal);
    if (this.#stopping.signal.aborted && reason !== null) return;
    if (reason !== null) {
      this.#fail(line, reason);
      return;
    }
    const tries = line.failures + 1;
    line.failures = 0;
    this.#settle("notice_sent", line, due, { text: message.text, tries });
    this.#counts = { ...this.#counts, sent: this.#counts.sent + due.length };
    this.#parts.log.info("notices were sent", { rule: name, to: placeOf(target), count: due.length, tries });
  }

  #fail(line: Line, reason: string): void {
    line.failures++;
    const waitMs = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** Math.min(line.failures - 1, 20));
    line.nextMs = performance.now() + waitMs;
    this.#counts = { ...this.#counts, failed: this.#counts.failed + 1 };
    // The first, and then ever more seldom: it may go on for a day.
    if (Math.log2(line.failures) % 1 !== 0) return;
    const { rule, failures } = line;
    this.#parts.log.warning("notices cannot be sent; trying again", {
      ...{ rule: rule.name, to: placeOf(rule.target), reason, attempts: failures },
      next_s: waitMs / 1000,
    });
  }

  #giveUp(line: Line, old: readonly Notice[]): void {
    this.#settle("notice_failed", line, old, { reason: "not delivered for a day", tries: line.failures });
    this.#counts = { ...this.#counts, dropped: this.#counts.dropped + old.length };
    const { name: rule, target } = line.rule;
    this.#parts.log.error("notices were given up", { rule, to: placeOf(target), count: old.length });
  }

  #settle(
    kind: "notice_sent" | "notice_failed",
    { rule }: Line,
    notices: readonly Notice[],
    data: Readonly<Record<string, unknown>>,
  ): void {
    const ids = notices.map(({ id }) => id);
    this.#parts.emit({ kind, watcher: null, data: { rule: rule.name, notices: ids, ...data } });
    this.#parts.book.remove(ids);
  }
}
