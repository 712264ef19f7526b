/**
 * The health check of each process, from before its spawn to its end: asks it again and again, or hears what it
 * says, and tells the watcher when the verdict changes. What becomes of an ill process is the watcher's business.
 */
import { formatDuration, type Logger, type Millis, reasonOf } from "@circus-cluster/proto";
import type { HealthcheckConfig, HealthProbe } from "../config/lifecycle.ts";
import type { WatcherConfig } from "../config/types.ts";
import type { HealthSoFar, HealthWatch } from "../watcher/deps.ts";
import { type Judgement, judge, pauseMs, UNDECIDED } from "./judge.ts";
import { parseMessage } from "./messages.ts";
import type { NotifyHub, NotifySocket } from "./notify.ts";
import { type Ailment, type Launcher, probeExec, probeHttp, probeTcp } from "./probes.ts";

export interface ChecksDeps extends Launcher {
  readonly hub: NotifyHub;
  /** Replaces `$(circus.…)` for one process. */
  substitute(text: string, config: WatcherConfig, wid: number): string;
  /** Monotonic ms. */
  now(): Millis;
  readonly log: Logger;
}

type Tell = (ailment: Ailment) => void;

/**
 * A check for the process about to be spawned; null where the watcher has none.
 *
 * @param notify path that a process which runs already writes to. @default a new one
 * @throws where no notify socket can be made, with the system's reason
 */
export function watchHealth(
  config: WatcherConfig,
  wid: number,
  deps: ChecksDeps,
  notify: string | null = null,
): HealthWatch | null {
  const check = config.lifecycle.healthcheck;
  if (check === null) return null;
  const { probe } = check;
  return probe.type === "notify"
    ? new Hearing(check, probe.watchdog, wid, deps, notify)
    : new Asking(check, probe, config, wid, deps);
}

const NEWBORN: HealthSoFar = { health: "starting", ailment: null, uptimeMs: 0 };

/** Counts results and tells of changes. */
abstract class Check implements HealthWatch {
  abstract readonly env: Readonly<Record<string, string>>;
  protected readonly check: HealthcheckConfig;
  protected readonly deps: ChecksDeps;
  protected judgement: Judgement = UNDECIDED;
  protected isClosed = false;
  #sinceMs = 0;
  #tell: Tell = () => undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(check: HealthcheckConfig, deps: ChecksDeps) {
    this.check = check;
    this.deps = deps;
  }

  begin(pid: number, tell: Tell, { health, ailment, uptimeMs }: HealthSoFar = NEWBORN): void {
    this.#sinceMs = this.deps.now() - uptimeMs;
    this.judgement = { ...UNDECIDED, verdict: health, ailment };
    this.#tell = tell;
    this.start(pid);
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.#timer);
    this.stop();
  }

  protected abstract start(pid: number): void;
  protected abstract stop(): void;

  protected get uptimeMs(): Millis {
    return this.deps.now() - this.#sinceMs;
  }

  /** One timer at a time. */
  protected after(ms: Millis, run: () => void): void {
    clearTimeout(this.#timer);
    if (!this.isClosed) this.#timer = setTimeout(run, ms);
  }

  protected take(ailment: Ailment): void {
    this.decide(judge(this.judgement, ailment, this.uptimeMs, this.check));
  }

  protected decide(next: Judgement): void {
    if (this.isClosed) return;
    const { verdict } = this.judgement;
    this.judgement = next;
    if (next.verdict === verdict) return;
    this.#tell(next.verdict === "healthy" ? null : (next.ailment ?? "unknown"));
  }
}

/** `http`, `tcp`, `exec`: one probe after another, never two at once. */
class Asking extends Check {
  readonly env = {};
  readonly #probe: Exclude<HealthProbe, { type: "notify" }>;
  readonly #config: WatcherConfig;
  readonly #wid: number;
  #abort: AbortController | null = null;

  constructor(
    check: HealthcheckConfig,
    probe: Exclude<HealthProbe, { type: "notify" }>,
    config: WatcherConfig,
    wid: number,
    deps: ChecksDeps,
  ) {
    super(check, deps);
    this.#probe = probe;
    this.#config = config;
    this.#wid = wid;
  }

  protected start(pid: number): void {
    const next = (): void => {
      this.after(pauseMs(this.judgement, this.uptimeMs, this.check), () => void this.#ask(pid).then(next));
    };
    next();
  }

  protected stop(): void {
    this.#abort?.abort();
  }

  async #ask(pid: number): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    const late = new Promise<Ailment>((resolve) => {
      const { timeoutMs } = this.check;
      const timeout = setTimeout(() => {
        resolve(`no answer to its ${this.#probe.type} check within ${formatDuration(timeoutMs)}`);
        abort.abort();
      }, timeoutMs);
      abort.signal.addEventListener("abort", () => clearTimeout(timeout));
    });
    try {
      this.take(await Promise.race([this.#run(pid, abort.signal), late]));
    } catch (error) {
      this.take(reasonOf(error));
    } finally {
      this.#abort = null;
      abort.abort();
    }
  }

  #run(pid: number, signal: AbortSignal): Promise<Ailment> {
    const probe = this.#probe;
    const text = (raw: string) => this.deps.substitute(raw, this.#config, this.#wid);
    switch (probe.type) {
      case "http":
        return probeHttp(text(probe.url), signal);
      case "tcp":
        return probeTcp(text(probe.host), Number(text(probe.port)), signal);
      case "exec":
        return probeExec(probe.cmd, pid, this.#wid, this.#config, this.deps, signal);
      default:
        return probe satisfies never;
    }
  }
}

/**
 * `notify`: healthy from READY=1 on, which has to come within `start_period`. With a watchdog, each `interval`
 * without WATCHDOG=1 is a failure, and `retries` of them in a row are too many.
 */
class Hearing extends Check {
  readonly env: Readonly<Record<string, string>>;
  readonly #socket: NotifySocket;
  readonly #hasWatchdog: boolean;
  readonly #wid: number;
  #isReady = false;
  #status: string | null = null;

  constructor(check: HealthcheckConfig, hasWatchdog: boolean, wid: number, deps: ChecksDeps, path: string | null) {
    super(check, deps);
    this.#hasWatchdog = hasWatchdog;
    this.#wid = wid;
    this.#socket = deps.hub.open((text) => this.#hear(text), path);
    this.env = {
      NOTIFY_SOCKET: this.#socket.path,
      ...(hasWatchdog ? { WATCHDOG_USEC: String(Math.round(check.intervalMs * 1000)) } : {}),
    };
  }

  protected start(): void {
    // It has said READY=1 to another agent.
    this.#isReady = this.judgement.verdict !== "starting";
    if (this.#isReady) {
      this.#expectPing();
      return;
    }
    const { startPeriodMs } = this.check;
    this.after(Math.max(0, startPeriodMs - this.uptimeMs), () =>
      this.#condemn(`no READY=1 within ${formatDuration(startPeriodMs)}`),
    );
  }

  protected stop(): void {
    this.#socket.close();
  }

  #hear(text: string): void {
    const { isReady, watchdog, status } = parseMessage(text);
    if (status !== null && status !== this.#status) {
      this.#status = status === "" ? null : status;
      this.deps.log.debug("process says", { wid: this.#wid, status });
    }
    if (isReady && !this.#isReady) {
      this.#isReady = true;
      this.take(null);
      this.#expectPing();
    }
    if (!this.#isReady) return;
    if (watchdog === "trigger") this.#condemn("it asked for it (WATCHDOG=trigger)");
    else if (watchdog === "ping") {
      this.take(null);
      this.#expectPing();
    }
  }

  #expectPing(): void {
    const { intervalMs } = this.check;
    if (!this.#hasWatchdog) {
      this.after(0, () => undefined); // only forgets that READY=1 was waited for
      return;
    }
    this.after(intervalMs, () => {
      this.take(this.#withStatus(`no WATCHDOG=1 within ${formatDuration(intervalMs)}`));
      this.#expectPing();
    });
  }

  #condemn(ailment: string): void {
    this.decide({ ...this.judgement, verdict: "unhealthy", ailment: this.#withStatus(ailment) });
  }

  #withStatus(ailment: string): string {
    return this.#status === null ? ailment : `${ailment}; it says: ${this.#status}`;
  }
}
