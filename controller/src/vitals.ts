/** How this controller is, for whoever asks `doctor`: the stream looked at now and then, the rest at the question. */
import { statfsSync, statSync } from "node:fs";
import { type ControllerHealth, EVENTS_STREAM, type Millis, VERSION } from "@circus-cluster/proto";
import type { FleetConnection, StreamState } from "@circus-cluster/proto/nats";
import type { Consumer } from "./ingest/consumer.ts";
import type { Stores } from "./store/database.ts";
import { missingEvents } from "./store/queries/gaps.ts";
import { prunedBefore } from "./store/retention.ts";
import { walBytes } from "./store/wal.ts";

const LOOK_MS = 10_000;
/** While there is no stream yet, or it cannot be looked at. */
const LOOK_AGAIN_MS = 500;

export interface VitalsParts {
  readonly connection: Pick<FleetConnection, "streamInfo">;
  readonly stores: Stores;
  readonly stateDir: string;
  readonly consumer: Pick<Consumer, "trouble" | "progress" | "sawEnd">;
}

export class Vitals implements Disposable {
  readonly #parts: VitalsParts;
  readonly #beganMs: Millis = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #stream: StreamState | null = null;

  constructor(parts: VitalsParts) {
    this.#parts = parts;
    void this.#look();
  }

  /** @throws the system's error where the state directory is gone */
  get health(): ControllerHealth {
    const { stores, stateDir, consumer } = this.#parts;
    const { bavail, bsize, blocks } = statfsSync(stateDir);
    const usedBytes = [stores.events, stores.rollouts, stores.usage]
      .map(({ name: file }) => (statSync(file, { throwIfNoEntry: false })?.size ?? 0) + walBytes(file))
      .reduce((sum, bytes) => sum + bytes, 0);
    const stream = this.#stream;
    return {
      version: VERSION,
      upMs: Math.round(performance.now() - this.#beganMs),
      stream: stream === null ? null : { messages: stream.messages, bytes: stream.bytes, firstSeq: stream.firstSeq },
      lag: stream === null ? null : consumer.progress(Date.now()).pending,
      trouble: consumer.trouble,
      missing: missingEvents(stores.events),
      stateDir: { path: stateDir, freeBytes: bavail * bsize, totalBytes: blocks * bsize, usedBytes },
      prunedBefore: prunedBefore(stores.events),
    };
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  async #look(): Promise<void> {
    const { connection, consumer } = this.#parts;
    this.#stream = await connection.streamInfo(EVENTS_STREAM).catch(() => null); // shown as not known
    if (this.#stream !== null && this.#stream.messages > 0) consumer.sawEnd(this.#stream.lastSeq);
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => void this.#look(), this.#stream === null ? LOOK_AGAIN_MS : LOOK_MS);
  }
}
