/**
 * Puts the parts of a controller together: connection, ingest, presence, live pictures, rollouts, door. Opens in
 * this order, closes in reverse.
 */
import {
  adviceOf,
  type EventDraft,
  type Fence,
  type HostName,
  type Logger,
  type RolloutRecord,
  reasonOf,
  Subjects,
} from "@circus-cluster/proto";
import { connectFleet, type FleetConnection, type FleetStatus } from "@circus-cluster/proto/nats";
import { Complaints } from "./complaints.ts";
import type { ControllerConfig } from "./config.ts";
import { Answers } from "./doors/answers.ts";
import type { HttpDoor } from "./doors/http.ts";
import { controllerMetrics } from "./doors/metrics.ts";
import { NatsDoor } from "./doors/nats.ts";
import { connectLock } from "./election/connect.ts";
import { Duty } from "./election/duty.ts";
import { Election } from "./election/election.ts";
import { leaderOf } from "./election/peers.ts";
import { Signs } from "./election/signs.ts";
import { FleetEvents } from "./fleet-events.ts";
import { FleetView } from "./fleet-view.ts";
import { Housekeeping } from "./housekeeping.ts";
import { Consumer } from "./ingest/consumer.ts";
import type { StoredEvent } from "./ingest/decode.ts";
import { Tally } from "./ingest/tally.ts";
import { Writer } from "./ingest/writer.ts";
import { Commander } from "./live/commander.ts";
import { LiveFeed } from "./live/feed.ts";
import { Keeper } from "./live/keeper.ts";
import type { LiveHost } from "./live/model.ts";
import { Book } from "./notify/book.ts";
import { Notifier } from "./notify/notifier.ts";
import { Pacer } from "./presence/pacer.ts";
import { PresenceRunner } from "./presence/runner.ts";
import { ReadinessCheck } from "./readiness.ts";
import { type PlanHost } from "./rollout/plan.ts";
import { replicaOf } from "./rollout/replica.ts";
import { Rollouts } from "./rollout/rollouts.ts";
import { viewOf } from "./rollout/runner.ts";
import type { Sight } from "./rollout/state.ts";
import { RolloutStore } from "./rollout/store.ts";
import type { Stores } from "./store/database.ts";
import { lastSeq } from "./store/queries/last-seq.ts";
import { rolloutCounts } from "./store/queries/rollout-counts.ts";
import { rememberPicture } from "./store/remember.ts";
import { UsageRunner } from "./usage/runner.ts";
import { Vitals } from "./vitals.ts";

const CLOSE_MS = 2000;
/** Another controller answers a first sign within this. */
const MEET_MS = 300;

export class Controller implements AsyncDisposable {
  readonly #config: ControllerConfig;
  readonly #stores: Stores;
  readonly #log: Logger;
  readonly #connection: FleetConnection;
  readonly #subjects: Subjects;
  readonly #events: FleetEvents;
  readonly #presence: PresenceRunner;
  readonly #keeper: Keeper;
  readonly #consumer: Consumer;
  readonly #rollouts: Rollouts;
  readonly #writer: Writer;
  readonly #tally = new Tally();
  readonly #feed: LiveFeed;
  readonly #door: NatsDoor;
  readonly #duty: Duty;
  readonly #signs: Signs;
  readonly #election: Election | null;
  readonly #housekeeping: Housekeeping;
  readonly #vitals: Vitals;
  readonly #usage: UsageRunner;
  readonly #notifier: Notifier;
  /** Ends the service over HTTP; null: there is none. */
  readonly #httpService: Disposable | null;
  #closing: Promise<void> | null = null;
  #meeting: NodeJS.Timeout | undefined;

  /** Listens and works from here on. */
  private constructor(
    config: ControllerConfig,
    stores: Stores,
    log: Logger,
    connection: FleetConnection,
    http: HttpDoor | null,
  ) {
    this.#config = config;
    this.#stores = stores;
    this.#log = log;
    this.#connection = connection;
    const { fleet, name, timings } = config;
    const subjects = new Subjects(fleet);
    this.#subjects = subjects;
    const lock = config.credentials?.lock;
    this.#election =
      lock === undefined
        ? null
        : new Election({
            name,
            connect: (signal) => connectLock(config, lock, signal),
            replicas: config.replicas ?? 1,
            used: () => this.#rollouts.lastFence(),
            onWon: () => void this.#duty.begin(),
            onLost: () => this.#duty.end(),
            log,
          });
    const mayAct = (): boolean => this.#election?.mayAct ?? true;
    const fence = (): Fence | null => this.#election?.fence ?? null;
    this.#events = new FleetEvents({ connection, subjects, mayAct, log });
    const emit = (draft: EventDraft): boolean => this.#events.emit(draft);
    this.#presence = new PresenceRunner({
      db: stores.events,
      timings: timings.presence,
      tickMs: timings.tickMs,
      // Of two controllers both see it; the leader tells, also once a lock that is late is renewed.
      emit: (draft) => !this.#duty.isLeading || emit(draft),
      lastSeq: (host, epoch) => lastSeq(stores.events, host, epoch),
      onBeat: (host, beat) => {
        this.#keeper.heard(host, beat, performance.now());
        pacer.beat(host, beat);
      },
      onChange: (host) => this.#see(host),
      log,
    });
    const clockDelayMs = (host: string): number => this.#presence.clockDelayMs(host);
    const commander = new Commander({ connection, subjects, controller: name, clockDelayMs, fence });
    const isLeading = (): boolean => this.#isLeading;
    const pacer = new Pacer({ commander, mayAct: isLeading, pace: () => this.#presence.paceMs });
    this.#keeper = new Keeper({
      commander,
      log,
      onChange: (host) => this.#see(host),
      onSnapshot: (host, live) => this.#remember(host, live),
    });
    const { events: db } = stores;
    const view = new FleetView({ db, fleet, presence: this.#presence, live: this.#keeper });
    this.#feed = new LiveFeed({ life: Date.now().toString(36), status: (host) => view.hostStatus(host) });
    this.#rollouts = new Rollouts({
      store: new RolloutStore(stores.rollouts),
      commander,
      look: (host) => this.#keeper.look(host),
      sight: (host, watcher) => this.#sight(host, watcher),
      emit,
      fence,
      stored: async () => this.#election === null || ((await this.#events.stored()) && mayAct()),
      timings: timings.rollout,
      tickMs: timings.tickMs,
      log,
      fleet,
      controller: name,
      known: (watcher): readonly PlanHost[] => view.plannable(watcher),
      publish: (record, before) => this.#advise(record, before),
    });
    const book = new Book({ db, rules: config.notify, labelsOf: (host) => view.labelsOf(host) });
    this.#writer = new Writer(
      db,
      subjects,
      (saved) => this.#replicate(saved),
      (events) => book.take(events),
    );
    this.#notifier = new Notifier({
      ...{ rules: config.notify, book, fleet, controller: name, mayAct: isLeading, emit, tickMs: timings.tickMs, log },
    });
    this.#consumer = new Consumer({
      connection,
      subjects,
      writer: this.#writer,
      replicas: config.replicas,
      log,
      onEvents: (events) => {
        this.#tally.add(events);
        this.#keeper.events(events);
      },
    });
    this.#usage = new UsageRunner(stores.usage, log);
    this.#housekeeping = new Housekeeping({
      ...{ stores, usage: this.#usage.store, keep: config.keep, firstPruneMs: timings.firstPruneMs, log },
    });
    this.#vitals = new Vitals({ connection, stores, stateDir: config.stateDir, consumer: this.#consumer });
    const health = () => ({ ...this.#vitals.health, controllers: this.#signs.controllers });
    const refusal = (): string | null => this.#refusal();
    const answers = new Answers({
      ...{ view, rollouts: this.#rollouts, usage: this.#usage, health, refusal, leader: () => this.#leader },
    });
    this.#door = new NatsDoor({ connection, subjects, controller: name, answers, log });
    this.#duty = new Duty({
      stores,
      log,
      connection,
      mayAct,
      position: () => this.#writer.place.pos,
      events: this.#events,
      presence: this.#presence,
      rollouts: this.#rollouts,
      door: this.#door,
      onChange: () => this.#signs.give(),
    });
    this.#signs = new Signs({
      ...{ connection, subjects, name, hasLock: lock !== undefined, isLeading, log },
      onRival: (rival) => this.#giveWay(rival.name),
    });
    this.#httpService = http === null ? null : this.#serveHttp(http, answers, view, commander);
    this.#listen();
  }

  /**
   * Connects, which may take for ever, and starts.
   *
   * @param signal ends the attempts
   * @param http is served from then on; null: there is none
   * @returns null where the signal came first
   * @throws Error with one line for TLS files that cannot be read, and for a bad seed
   */
  static async start(
    config: ControllerConfig,
    stores: Stores,
    log: Logger,
    signal: AbortSignal,
    http: HttpDoor | null = null,
  ): Promise<Controller | null> {
    const complaints = new Complaints(log);
    // A status may come while nobody is there yet to hear of it.
    let controller: Controller | null = null;
    let connection: FleetConnection;
    try {
      connection = await connectFleet({
        servers: config.natsUrls,
        name: config.name,
        credentials: config.credentials,
        tls: config.tls,
        mode: "service",
        signal,
        onStatus: (status) => {
          complaints.take(status);
          controller?.onStatus(status);
        },
      });
    } catch (error) {
      if (signal.aborted) return null;
      throw error;
    }
    controller = new Controller(config, stores, log, connection, http);
    return controller;
  }

  /** Resolves where the connection ends for good although nobody closed it. */
  get failed(): Promise<string | null> {
    return this.#connection.closed;
  }

  onStatus(status: FleetStatus): void {
    if (this.#closing !== null) return;
    if (status.kind === "disconnected") {
      this.#presence.listening(false);
      this.#rollouts.online(false);
    } else if (status.kind === "connected" && !status.isFirst) this.#isBack();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  #serveHttp(http: HttpDoor, answers: Answers, view: FleetView, commander: Commander): Disposable {
    const isConnected = (): boolean => this.#connection.isConnected;
    const progress = () => this.#consumer.progress(Date.now());
    const { events: db, rollouts } = this.#stores;
    const readiness = new ReadinessCheck({ isConnected, progress, db, now: () => Date.now() });
    const { name: controller, fleet, stateDir } = this.#config;
    return http.serve({
      controller,
      fleet,
      answers,
      feed: this.#feed,
      logs: { view, commander },
      readiness: () => readiness.look(),
      metrics: () =>
        controllerMetrics({
          ...{ controller, stateDir, isConnected, progress, tally: this.#tally },
          election: () => ({ isLeading: this.#isLeading, controllers: this.#signs.controllers.length }),
          paceMs: () => this.#presence.paceMs,
          totals: () => view.totals(),
          rollouts: () => rolloutCounts(rollouts),
          notices: () => this.#notifier.counts,
          counts: () => this.#consumer.counts,
          place: () => this.#writer.place,
        }),
    });
  }

  #see(host: HostName): void {
    this.#rollouts.see(host);
    this.#feed.see(host);
  }

  #listen(): void {
    const { all } = this.#subjects;
    const host = (subject: string): HostName | null => {
      const parsed = this.#subjects.parse(subject);
      return parsed?.kind === "hb" || parsed?.kind === "snap" ? parsed.host : null;
    };
    this.#connection.subscribe(all.heartbeats(), (message) => {
      const from = host(message.subject);
      if (from === null) return;
      const value = message.json();
      if (!this.#usage.take(from, value)) this.#presence.beat(from, value);
    });
    this.#connection.subscribe(all.snapshots(), (message) => {
      const from = host(message.subject);
      if (from !== null) this.#keeper.took(from, message.json());
    });
    if (this.#election === null) this.#meeting = setTimeout(() => this.#leadAlone(), MEET_MS);
    else {
      this.#isBack();
      this.#consumer.start();
      this.#election.start();
    }
  }

  /** Without a lock: whoever is there already would have answered by now. */
  #leadAlone(): void {
    this.#isBack();
    this.#consumer.start();
    if (this.#signs.rival !== null) return;
    this.#duty.beginAlone();
    if (this.#config.credentials === null) return;
    const todo = "'circusctl fleet issue --replace' makes some with a lock";
    this.#log.warning("these credentials are of an older version: this has to be the only controller", { todo });
  }

  #giveWay(rival: string): void {
    this.#log.error(`this controller has no key for the lock, and ${rival} serves the fleet: it does not lead`, {
      todo: "circusctl fleet issue --replace makes credentials with a lock; start it again with those",
    });
    this.#duty.end();
  }

  /** All that a leader has to know is read, and the lock is worth something now. */
  get #isLeading(): boolean {
    return this.#duty.isLeading && (this.#election?.mayAct ?? true);
  }

  /** As far as it is known; null: none. */
  get #leader(): string | null {
    return leaderOf(this.#config.name, this.#isLeading, this.#election?.leader ?? null, this.#signs.controllers);
  }

  /** Why changes are not for us; null: they are. */
  #refusal(): string | null {
    const { name } = this.#config;
    const leader = this.#leader;
    if (leader === name) return null;
    return `controller ${name} does not lead; ${leader === null ? "no controller leads yet" : `${leader} does`}`;
  }

  /** @throws the database's error */
  #replicate(saved: readonly StoredEvent[]): void {
    const replicas = saved.flatMap(({ event }) => replicaOf(event.data) ?? []);
    if (replicas.length < saved.length) this.#log.warning("savings of a rollout cannot be read");
    const changed = this.#rollouts.replicate(replicas);
    // A record is as long as its rollout has hosts.
    if (!this.#feed.isWatched) return;
    for (const id of changed) {
      const record = this.#rollouts.record(id);
      if (record !== null) this.#feed.rollout(record);
    }
  }

  /** Connected, or connected again: what was missed is asked for. */
  #isBack(): void {
    this.#presence.listening(true);
    this.#events.connected();
    this.#consumer.restart();
    for (const host of this.#presence.hosts) void this.#keeper.look(host);
    this.#rollouts.online(true);
  }

  #sight(host: string, watcher: string): Sight {
    const presence = this.#presence.view(host)?.presence;
    return {
      view: viewOf(this.#keeper.get(host), watcher),
      isLost: presence === "lost" || presence === "left",
    };
  }

  #remember(host: HostName, live: LiveHost): void {
    try {
      rememberPicture(this.#stores.events, host, live);
    } catch (error) {
      this.#log.warning("a picture cannot be stored", { host, reason: reasonOf(error) });
    }
  }

  #advise(record: RolloutRecord, before: RolloutRecord | null): void {
    this.#feed.rollout(record);
    try {
      this.#connection.publish(this.#subjects.advice(this.#config.name, "rollout"), adviceOf(record, before));
    } catch (error) {
      this.#log.warning("the progress of a rollout cannot be told", { rollout: record.id, reason: reasonOf(error) });
    }
  }

  async #close(): Promise<void> {
    clearTimeout(this.#meeting);
    this.#duty.stop();
    this.#signs[Symbol.dispose]();
    this.#httpService?.[Symbol.dispose]();
    this.#feed[Symbol.dispose]();
    this.#door[Symbol.dispose]();
    this.#vitals[Symbol.dispose]();
    this.#rollouts[Symbol.dispose]();
    await this.#notifier[Symbol.asyncDispose]();
    await this.#events.close(CLOSE_MS);
    // Given up only now that all is told.
    await this.#election?.[Symbol.asyncDispose]();
    await this.#housekeeping[Symbol.asyncDispose]();
    await this.#consumer[Symbol.asyncDispose]();
    await this.#usage[Symbol.asyncDispose]();
    this.#presence[Symbol.dispose]();
    await this.#connection.close(CLOSE_MS);
  }
}
