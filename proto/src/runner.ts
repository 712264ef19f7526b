/**
 * The shell of every pure core (watcher, presence, rollout): takes one input at a time to its end and
 * performs the effects in the order given. Synchronous on purpose: an input fed from inside `perform`
 * is queued and taken next, so a core never sees a half-done step.
 */
import type { Millis } from "./time.ts";

export interface Step<S, E> {
  readonly state: S;
  readonly effects: readonly E[];
}

export type Transition<S, I, E> = (state: S, input: I, nowMs: Millis) => Step<S, E>;

export interface Shell<I, E> {
  now(): Millis;
  /** Starts the work; its outcome is a later input. Turns failures into inputs and does not throw. */
  perform(effect: E, feed: (input: I) => void): void;
  /** A core or an effect threw: a bug. The owner fails itself, not the program. */
  onBug(error: unknown, input: I): void;
}

/** Inputs waiting at once; more means that a core feeds itself for ever. */
export const INBOX_MAX = 10_000;

export class Runner<S, I, E> {
  #state: S;
  #running = false;
  readonly #inbox: I[] = [];
  readonly #transition: Transition<S, I, E>;
  readonly #shell: Shell<I, E>;

  constructor(initial: S, transition: Transition<S, I, E>, shell: Shell<I, E>) {
    this.#state = initial;
    this.#transition = transition;
    this.#shell = shell;
  }

  get state(): S {
    return this.#state;
  }

  readonly feed = (input: I): void => {
    if (this.#inbox.length >= INBOX_MAX) {
      this.#shell.onBug(new RangeError(`more than ${INBOX_MAX} inputs wait`), input);
      return;
    }
    this.#inbox.push(input);
    if (this.#running) return; // fed from inside perform: the loop below takes it next
    this.#running = true;
    for (let next = this.#inbox.shift(); next !== undefined; next = this.#inbox.shift()) {
      try {
        this.#apply(next);
      } catch (error) {
        this.#shell.onBug(error, next);
      }
    }
    this.#running = false;
  };

  #apply(input: I): void {
    const step = this.#transition(this.#state, input, this.#shell.now());
    this.#state = step.state;
    for (const effect of step.effects) this.#shell.perform(effect, this.feed);
  }
}
