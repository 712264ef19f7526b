/** Performs presence: beats in, events of the fleet out; remembers over restarts when a host was heard last. */
import {
  type EventDraft,
  HEARTBEAT_MS,
  type Heartbeat,
  type HostName,
  heartbeat,
  type Logger,
  type Millis,
  type Presence,
  parse,
  parseHostName,
} from "@circus-cluster/proto";
import type { Database, Statement } from "better-sqlite3";
import { hostRows } from "../store/queries/hosts.ts";
import { type Arrival, arrive } from "./arrival.ts";
import {
  type HostPresence,
  type PresenceContext,
  type PresenceTimings,
  remembered,
  type Tell,
  transition,
} from "./core.ts";
import { paceFor } from "./pace.ts";

const SAVE_MS = 5000;
/** Between two looks: half of what makes a host lost, or more. Then it was we who were not there. */
const ASLEEP_MS_MIN = 5000;
/** Of the time between two looks, for each host: with very many it is looked less often, but within two seconds. */
const LOOK_MS_PER_HOST = 0.05;
const LOOK_MS_MAX = 2000;

export interface PresenceParts {
  readonly db: Database;
  readonly timings: PresenceTimings;
  /** How often silence is looked for. */
  readonly tickMs: Millis;
  /** False: it could not be queued. */
  readonly emit: (draft: EventDraft) => boolean;
  /** The last event that is stored of this life of the host; 0: none. */
  readonly lastSeq: (host: string, epoch: number) => number;
  readonly onBeat: (host: HostName, beat: Heartbeat) => void;
  readonly onChange: (host: HostName, presence: Presence) => void;
  readonly log: Logger;
}

/** What is shown of a host's presence. */
export interface PresenceView {
  readonly presence: Presence;
  readonly sinceWallMs: Millis;
  readonly heardWallMs: Millis | null;
  readonly load: number | null;
  readonly backlog: number | null;
  readonly version: string | null;
}

interface Tracked {
  state: HostPresence;
  beat: Heartbeat | null;
  /** Of the last beat of this life; null: not heard in ours. */
  arrival: Arrival | null;
  isSaved: boolean;
}

export class PresenceRunner implements Disposable {
  readonly #parts: PresenceParts;
  readonly #hosts = new Map<HostName, Tracked>();
  readonly #save: Statement;
  readonly #timers: readonly NodeJS.Timeout[];
  #listeningMs: Millis | null = null;
  #lookedMs: Millis = performance.now();
  #paceMs: Millis = HEARTBEAT_MS.usual;

  constructor(parts: PresenceParts) {
    this.#parts = parts;
    this.#save = parts.db.prepare(
      `INSERT INTO host(name, beat_epoch, beat_seq, heard, version) VALUES(@host, @epoch, @seq, @heard, @version)
       ON CONFLICT(name) DO UPDATE SET beat_epoch = @epoch, beat_seq = @seq, heard = @heard, version = @version`,
    );
    const wallMs = Date.now();
    for (const row of hostRows(parts.db)) {
      const host = parseHostName(row.name);
      if (host === null) continue;
      const epoch = Math.max(row.beatEpoch ?? 0, row.presenceEpoch ?? 0);
      const told = toldOf(row);
      const seq = row.beatEpoch === epoch ? (row.beatSeq ?? 0) : 0;
      const state = remembered(wallMs, { epoch, seq, heardWallMs: row.heard, told });
      this.#hosts.set(host, { state, beat: null, arrival: null, isSaved: true });
    }
    this.#setPace();
    this.#timers = [setInterval(() => this.#tick(), parts.tickMs), setInterval(() => this.save(), SAVE_MS)];
  }

  get hosts(): readonly HostName[] {
    return [...this.#hosts.keys()];
  }

  /** Between two beats, as it is wanted of all hosts. */
  get paceMs(): Millis {
    return this.#paceMs;
  }

  /** Null for a host that was never heard of. */
  view(host: string): PresenceView | null {
    const tracked = this.#hosts.get(host as HostName);
    if (tracked === undefined) return null;
    const { state, beat } = tracked;
    return {
      presence: state.shown,
      sinceWallMs: state.sinceWallMs,
      heardWallMs: state.heardWallMs,
      load: beat?.load ?? null,
      backlog: beat?.backlog ?? null,
      version: beat?.version ?? null,
    };
  }

  /** How far the host's clock is behind ours, 0 where that is not known. */
  clockDelayMs(host: string): Millis {
    return this.#hosts.get(host as HostName)?.arrival?.delayMs ?? 0;
  }

  /** We can hear from now on; or, with false, nobody any more. */
  listening(isListening: boolean): void {
    this.#listeningMs = isListening ? performance.now() : null;
    this.#look();
  }

  beat(host: HostName, value: unknown): void {
    const parsed = parse(heartbeat, value);
    if (!parsed.ok) {
      this.#parts.log.debug("a heartbeat cannot be read", { host });
      return;
    }
    const beat = parsed.value;
    if (![beat.epoch, beat.seq, beat.time, beat.interval].every(Number.isSafeInteger)) return;
    const known = this.#hosts.get(host);
    const tracked = known ?? { state: remembered(Date.now(), null), beat: null, arrival: null, isSaved: false };
    if (known === undefined) this.#hosts.set(host, tracked);
    if (beat.epoch < tracked.state.epoch) return;
    const before = beat.epoch > tracked.state.epoch ? null : tracked.arrival;
    tracked.arrival = arrive(before, Date.now() - beat.time, beat.interval, performance.now());
    tracked.beat = beat;
    tracked.isSaved = false;
    this.#step(host, tracked, { kind: "beat", beat, lateMs: tracked.arrival.lateMs });
    this.#parts.onBeat(host, beat);
  }

  /** What was told is what the database says: another controller may have led before us. */
  recall(): void {
    const rows = new Map(hostRows(this.#parts.db).map((row) => [row.name, row]));
    for (const [host, tracked] of this.#hosts) {
      tracked.state = { ...tracked.state, told: toldOf(rows.get(host)) };
    }
    this.#look();
  }

  /** Writes when which host was heard, for the next life of this controller. */
  save(): void {
    const dirty = [...this.#hosts].filter(([, tracked]) => !tracked.isSaved);
    if (dirty.length === 0) return;
    try {
      this.#parts.db
        .transaction(() => {
          for (const [host, { state, beat }] of dirty) {
            const { epoch, seq, heardWallMs: heard } = state;
            this.#save.run({ host, epoch, seq, heard, version: beat?.version ?? null });
          }
        })
        .immediate();
      for (const [, tracked] of dirty) tracked.isSaved = true;
    } catch (error) {
      this.#parts.log.error("the last signs of hosts cannot be stored", { err: error });
    }
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.save();
  }

  #tick(): void {
    const restMs = Math.min(LOOK_MS_MAX, LOOK_MS_PER_HOST * this.#hosts.size);
    if (performance.now() - this.#lookedMs >= restMs) this.#look();
  }

  #look(): void {
    this.#notice(performance.now());
    this.#setPace();
    for (const [host, tracked] of this.#hosts) this.#step(host, tracked, { kind: "look" });
  }

  #setPace(): void {
    let beating = 0;
    for (const { state } of this.#hosts.values()) if (state.shown !== "lost" && state.shown !== "left") beating++;
    this.#paceMs = paceFor(beating, this.#paceMs);
  }

  /** A controller that was stopped (SIGSTOP, a paused machine) has beats to read before it may miss any. */
  #notice(now: Millis): void {
    const sleptMs = now - this.#lookedMs;
    this.#lookedMs = now;
    if (this.#listeningMs === null || sleptMs < Math.max(ASLEEP_MS_MIN, this.#parts.timings.lostMs / 2)) return;
    this.#listeningMs = now;
    this.#parts.log.warning("this controller stood still; nobody counts as lost for a while", {
      ms: Math.round(sleptMs),
    });
  }

  #step(host: HostName, tracked: Tracked, input: Parameters<typeof transition>[1]): void {
    const context: PresenceContext = {
      timings: this.#parts.timings,
      wallMs: Date.now(),
      listeningMs: this.#listeningMs,
      paceMs: this.#paceMs > HEARTBEAT_MS.usual ? this.#paceMs : 0,
    };
    const now = performance.now();
    const before = tracked.state.shown;
    const step = transition(tracked.state, input, now, context);
    tracked.state = step.state;
    for (const tell of step.effects) {
      if (this.#tell(host, tell)) continue;
      tracked.state = transition(tracked.state, { kind: "untold", told: tell.before }, now, context).state;
      break;
    }
    const { shown } = tracked.state;
    if (shown === before) return;
    const level = shown === "lost" ? "warning" : "info";
    this.#parts.log[level]("presence changed", { host, from: before, to: shown });
    this.#parts.onChange(host, shown);
  }

  #tell(host: HostName, { presence, epoch, seq, lastHeardMs }: Tell): boolean {
    // What the stream has heard of a host counts as heard: its last events may be younger than its last beat.
    const place = Math.max(seq, this.#parts.lastSeq(host, epoch));
    const data = { host, epoch, seq: place, ...(presence === "late" ? {} : { last_heard: lastHeardMs }) };
    return this.#parts.emit({ kind: `host_${presence}`, watcher: null, data });
  }
}

/** What the last event of the fleet says of this host; null: there is none. */
function toldOf(row: ReturnType<typeof hostRows>[number] | undefined): HostPresence["told"] {
  if (row === undefined || row.presence === null || row.presenceEpoch === null) return null;
  return { presence: row.presence, epoch: row.presenceEpoch };
}
