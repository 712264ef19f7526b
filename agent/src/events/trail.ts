/**
 * When was what acknowledged? A server that loses power forgets what it has not synced, and it syncs its stream once
 * a minute only (fleet-protocol §4). Pure.
 */
import type { Millis } from "@circus-cluster/proto";
import type { Place } from "./reader.ts";
import { isAfter, type Position } from "./segments.ts";

/** The server's minute, and as much again. */
export const SETTLE_MS = 120_000;
/** One entry of the trail for so long. */
const STEP_MS = 5000;

/** How far the stream has taken events. */
export interface Acked {
  /** The last one acknowledged. */
  readonly acked: Position;
  /** The last one acknowledged so long ago that no power cut of the server takes it back. */
  readonly settled: Position;
}

interface Mark {
  readonly position: Position;
  /** Where its line is; null: nobody knows. */
  readonly place: Place | null;
}

export class Trail {
  #settled: Mark;
  /** In order; one for each step of the time that is not settled yet. */
  #marks: (Mark & { readonly atMs: Millis })[] = [];

  constructor(settled: Position) {
    this.#settled = { position: settled, place: null };
  }

  /** That one and all before it are acknowledged. @param nowMs monotonic */
  add({ position, place }: { readonly position: Position; readonly place: Place }, nowMs: Millis): void {
    this.settled(nowMs);
    const last = this.#marks.at(-1);
    // An event that is sent again moves nothing.
    if (!isAfter(position, last?.position ?? this.#settled.position)) return;
    if (last !== undefined && nowMs - last.atMs < STEP_MS) this.#marks.pop();
    const atMs = last !== undefined && nowMs - last.atMs < STEP_MS ? last.atMs : nowMs;
    this.#marks.push({ position, place, atMs });
  }

  /** @param nowMs monotonic */
  settled(nowMs: Millis): Mark {
    while (this.#marks[0] !== undefined && nowMs - this.#marks[0].atMs >= SETTLE_MS + STEP_MS) {
      this.#settled = this.#marks.shift() ?? this.#settled;
    }
    return this.#settled;
  }
}
