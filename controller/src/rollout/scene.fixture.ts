/** A rollout, its hosts and its people as a test plays them, step by step. */
import { ROLLOUT_DEFAULTS, type RolloutOptions, type RolloutRequest } from "@circus-cluster/proto";
import { transition } from "./core.ts";
import { type PlanHost, plan } from "./plan.ts";
import { type HostView, newCore, type RolloutCore, type RolloutEffect, type RolloutInput } from "./state.ts";

export type Send = Extract<RolloutEffect, { kind: "send" }>;

const OPTIONS: RolloutOptions = { ...ROLLOUT_DEFAULTS, soakMs: 10_000, healthTimeoutMs: 60_000 };

export function planHost(host: string, more: Partial<PlanHost> = {}): PlanHost {
  return { host, presence: "online", state: "active", isWhole: true, labels: {}, ...more };
}

export function names(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `web${i + 1}`);
}

/** A rollout as it stands before it begins; all of its hosts are seen to be well. */
export function planned(
  known: readonly PlanHost[],
  options: Partial<RolloutOptions> = {},
  request: Partial<RolloutRequest> & { readonly id?: string } = {},
): RolloutCore {
  const { id = "r1", command = "restart", properties = {}, hosts = null, where = null } = request;
  const all = { ...OPTIONS, ...options };
  const made = plan({ id, fleet: "main", command, watcher: "web", hosts, where, options: all, wallMs: 0 }, known);
  if (made.kind !== "plan") throw new Error(made.reason);
  const head = {
    id,
    command,
    properties,
    watcher: "web",
    actor: "alice",
    created: 0,
    ended: null,
    hosts,
    where,
  } as const;
  const { steps, floor, others, spread } = made;
  const rest = { reason: null, waiting: null, floor, attempt: 1, revision: 0, options: all, steps } as const;
  const core = newCore({ ...head, ...rest, state: "running" }, others, spread);
  return { ...core, sights: core.sights.map(() => ({ view: view(1), isLost: false })) };
}

export function view(generation: number, over: Partial<HostView> = {}): HostView {
  const pid = generation * 10;
  return {
    epoch: 1,
    state: "active",
    numprocesses: 2,
    processes: [1, 2].map((wid) => ({ wid, pid: pid + wid, started: 0, health: "healthy", generation })),
    generation,
    crashes: 0,
    reason: null,
    ...over,
  };
}

export class Scene {
  core: RolloutCore;
  effects: RolloutEffect[] = [];
  saved: RolloutCore | null = null;

  constructor(hosts: number | RolloutCore, options: Partial<RolloutOptions> = {}) {
    this.core =
      typeof hosts === "number"
        ? planned(
            names(hosts).map((host) => planHost(host)),
            options,
          )
        : hosts;
    this.give({ kind: "begin" });
  }

  give(input: RolloutInput): RolloutEffect[] {
    const step = transition(this.core, input, 1);
    this.core = step.state;
    this.effects = [...step.effects];
    for (const effect of step.effects) if (effect.kind === "save") this.saved = effect.core;
    return this.effects;
  }

  sends(): Send[] {
    return this.effects.filter((effect) => effect.kind === "send");
  }

  looks(): string[] {
    return this.effects.filter((effect) => effect.kind === "look").map(({ host }) => host);
  }

  seen(host: string, value: HostView | null, isLost = false): void {
    this.give({ kind: "seen", host, sight: { view: value, isLost } });
  }

  wait(ms: number): void {
    this.give({ kind: "elapsed", ms });
  }

  /** Sent, accepted, answered; what is found then is the new picture. */
  command(host: string, before = view(1), after = view(2)): void {
    this.give({ kind: "looked", host, found: before });
    const commandId = this.core.steps.find((step) => step.host === host)?.commandId ?? "";
    this.give({ kind: "accepted", commandId });
    this.give({ kind: "answered", commandId, outcome: "done", reason: null });
    this.give({ kind: "looked", host, found: after });
  }

  /** Through command and restart, into the soak time. */
  restart(host: string): void {
    this.command(host);
  }

  /** Through all of it. */
  complete(host: string, before = view(1), after = view(2)): void {
    this.command(host, before, after);
    this.wait(this.core.options.soakMs);
  }

  /** Not even begun: refused. */
  refuse(host: string): void {
    this.give({ kind: "looked", host, found: view(1) });
    const commandId = this.core.steps.find((step) => step.host === host)?.commandId ?? "";
    this.give({ kind: "answered", commandId, outcome: "refused", reason: "busy" });
  }

  get states(): string[] {
    return this.core.steps.map((step) => step.state);
  }
}
