/**
 * A fleet for the laws of rollouts: agents that remember ids, a broker that loses, a controller that dies and keeps
 * only what was saved, several rollouts of one watcher. The laws are checked at each effect, by reckoning anew and
 * without any of the core's own functions.
 */
import { hasEnded, type RolloutOptions, type RolloutRequest } from "@circus-cluster/proto";
import { expect } from "vitest";
import { transition } from "./core.ts";
import { refusalOf } from "./decisions.ts";
import { names, planHost, planned, type Send, view } from "./scene.fixture.ts";
import type { Decision, HostView, RolloutCore, RolloutInput, Sight } from "./state.ts";

interface Running {
  readonly id: string;
  readonly command: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

const OUT: readonly string[] = ["draining", "drained", "undraining"];
const AT_WORK: ReadonlySet<string> = new Set([...OUT, "sent", "accepted", "restarted", "soaking"]);
const SETTLED: ReadonlySet<string> = new Set(["done", "failed", "skipped", "restored"]);

export class World {
  readonly hosts: readonly string[];
  /** As the controller has them now, by id. */
  readonly cores = new Map<string, RolloutCore>();
  /** As they are on disk. */
  readonly #saved = new Map<string, RolloutCore>();
  readonly #views = new Map<string, HostView>();
  readonly #lost = new Set<string>();
  /** Results that agents remember, by id. */
  readonly #journal = new Map<string, "running" | "done" | "refused">();
  readonly #running = new Map<string, Running[]>();
  readonly #begun = new Set<string>();
  /** Hosts that are out of their balancers. */
  readonly out = new Set<string>();
  #inFlight: Send[] = [];
  #looks: { readonly id: string; readonly host: string }[] = [];
  #count = 0;

  constructor(hosts: number) {
    this.hosts = names(hosts);
    for (const host of this.hosts) this.#views.set(host, view(1));
  }

  /** As `Rollouts.start`: refused where one is open that was not superseded. */
  start(options: Partial<RolloutOptions>, request: Partial<RolloutRequest>): void {
    const id = `r${++this.#count}`;
    const isOpen = (core: RolloutCore): boolean => !hasEnded(core.state);
    if (request.supersede === true) {
      for (const core of [...this.cores.values()].filter(isOpen)) {
        this.give(core.id, { kind: "supersede", actor: "bob", by: id });
      }
    } else if ([...this.cores.values()].some((core) => isOpen(core) && core.ending?.state !== "superseded")) return;
    const known = this.hosts.map((host) => {
      const { state } = this.#view(host);
      return planHost(host, { state, isWhole: isWhole(this.#view(host)) });
    });
    let core: RolloutCore;
    try {
      core = planned(known, options, { ...request, id });
    } catch {
      return; // a plan that is refused
    }
    this.cores.set(id, { ...core, sights: this.#sightsOf(core), busy: this.#busyBeside(id) });
    this.give(id, { kind: "begin" });
  }

  decide(id: string, decision: Decision): void {
    const core = this.cores.get(id);
    if (core === undefined || refusalOf(core, decision) !== null) return;
    if (hasEnded(core.state)) {
      const others = [...this.cores.values()].filter((other) => other.id !== id && !hasEnded(other.state));
      if (others.some((other) => other.ending?.state !== "superseded")) return;
      this.cores.set(id, { ...core, sights: this.#sightsOf(core), busy: this.#busyBeside(id) });
    }
    this.give(id, decision);
  }

  answerLook(isSilent: boolean): void {
    const look = this.#looks.shift();
    if (look === undefined) return;
    const isHeard = !isSilent && !this.#lost.has(look.host);
    if (isHeard) this.show(look.host); // a new picture is seen by all
    this.give(look.id, { kind: "looked", host: look.host, found: isHeard ? this.#view(look.host) : "no answer" });
  }

  /** The broker hands the oldest sending over, or loses it. */
  deliver(isLostOnTheWay: boolean, isRefused: boolean): void {
    const send = this.#inFlight.shift();
    if (send === undefined || isLostOnTheWay) return;
    const { commandId, host } = send;
    const id = commandId.split("/")[0]!;
    if (this.#lost.has(host)) {
      this.give(id, { kind: "absent", commandId });
      return;
    }
    const known = this.#journal.get(commandId);
    if (known === undefined) {
      this.#journal.set(commandId, isRefused ? "refused" : "running");
      // A hook that fails may have done its work all the same; or none of it.
      if (isRefused && send.command === "drain") this.out.add(host);
      if (!isRefused) this.#running.set(host, [...(this.#running.get(host) ?? []), { ...send, id: commandId }]);
    }
    const result = this.#journal.get(commandId);
    if (result === "running") this.give(id, { kind: "accepted", commandId });
    else this.give(id, { kind: "answered", commandId, outcome: result!, reason: null });
  }

  /** The agent has done its oldest command; its answer may be lost. */
  finish(host: string, isAnswerLost: boolean): void {
    const [next, ...rest] = this.#running.get(host) ?? [];
    if (next === undefined) return;
    this.#running.set(host, rest);
    this.#journal.set(next.id, "done");
    if (next.command === "drain") this.out.add(host);
    else if (next.command === "undrain") this.out.delete(host);
    else this.#renew(host, next);
    const id = next.id.split("/")[0]!;
    if (!isAnswerLost) this.give(id, { kind: "answered", commandId: next.id, outcome: "done", reason: null });
  }

  #renew(host: string, next: Running): void {
    const { generation, epoch, crashes, numprocesses } = this.#view(host);
    const options = next.properties["options"] as { numprocesses?: number } | undefined;
    const wanted = options?.numprocesses ?? numprocesses;
    this.#views.set(host, whole(next.command === "set" ? generation : generation + 1, { epoch, crashes }, wanted));
  }

  show(host: string): void {
    const sight: Sight = { view: this.#view(host), isLost: this.#lost.has(host) };
    for (const id of [...this.cores.keys()]) this.give(id, { kind: "seen", host, sight });
  }

  die(host: string): void {
    const before = this.#view(host);
    this.#views.set(host, { ...before, processes: [], crashes: before.crashes + 1 });
  }

  /** A new life of the agent, with new processes. */
  reborn(host: string): void {
    const { generation, epoch, numprocesses } = this.#view(host);
    this.#views.set(host, whole(generation + 1, { epoch: epoch + 1 }, numprocesses));
  }

  lose(host: string, isLost: boolean): void {
    if (isLost) this.#lost.add(host);
    else this.#lost.delete(host);
  }

  elapse(ms: number): void {
    for (const id of [...this.cores.keys()]) this.give(id, { kind: "elapsed", ms });
  }

  online(isOnline: boolean): void {
    for (const id of [...this.cores.keys()]) this.give(id, { kind: "online", isOnline });
  }

  /** The controller dies; what was sent is on its way, what was not stored never was. */
  crash(): void {
    this.#looks = [];
    for (const [id, core] of this.#saved) {
      this.cores.set(id, { ...core, sights: core.sights.map(() => null), isOnline: true, busy: new Set() });
    }
    for (const id of [...this.cores.keys()]) {
      this.give(id, { kind: "busy", hosts: this.#busyBeside(id) });
      this.give(id, { kind: "take-up" });
    }
  }

  /** Nothing is wrong any more, and nobody holds anything up. */
  heal(): void {
    this.#lost.clear();
    for (const host of this.hosts) {
      const { generation, epoch, crashes, numprocesses } = this.#view(host);
      this.#views.set(host, whole(generation, { epoch, crashes }, numprocesses));
    }
    this.online(true);
    for (const host of this.hosts) this.show(host);
  }

  /** A step of a world without trouble. */
  kindly(i: number): void {
    this.answerLook(false);
    this.deliver(false, false);
    for (const host of this.hosts) this.finish(host, false);
    this.show(this.hosts[i % this.hosts.length]!);
    this.elapse(5000);
  }

  give(id: string, input: RolloutInput): void {
    const before = this.cores.get(id)!;
    const step = transition(before, input, 0);
    this.cores.set(id, step.state);
    for (const effect of step.effects) {
      if (effect.kind === "save") this.#saved.set(id, effect.core);
      else if (effect.kind === "look") this.#looks.push({ id, host: effect.host });
      else if (effect.kind === "send") this.#check(before, effect);
    }
    const core = step.state;
    expect(new Set(core.steps.filter((one) => AT_WORK.has(one.state)).map((one) => one.wave)).size).toBeLessThan(2);
    for (const other of [...this.cores.keys()]) this.#shareBusy(other);
  }

  #shareBusy(id: string): void {
    const core = this.cores.get(id)!;
    if (hasEnded(core.state)) return;
    const busy = this.#busyBeside(id);
    if (busy.size === core.busy.size && [...busy].every((host) => core.busy.has(host))) return;
    this.give(id, { kind: "busy", hosts: busy });
  }

  #busyBeside(id: string): ReadonlySet<string> {
    const others = [...this.cores.values()].filter((core) => core.id !== id && !hasEnded(core.state));
    return new Set(
      others.flatMap(({ steps }) => steps.filter((one) => AT_WORK.has(one.state)).map(({ host }) => host)),
    );
  }

  #check(before: RolloutCore, send: Send): void {
    const { host, commandId, properties } = send;
    const core = this.cores.get(before.id)!;
    const stored = this.#saved.get(core.id)!.steps.find((one) => one.host === host)!;
    // Stored before it is sent, and one id for each attempt for ever.
    const isDrain = send.command === "drain" || send.command === "undrain";
    expect(send.command === "drain" ? ["draining"] : isDrain ? ["undraining"] : ["sent", "accepted"]).toContain(
      stored.state,
    );
    const undo = core.phase === "rollback" ? "-undo" : "";
    expect(stored.commandId).toBe(`${core.id}/${host}/${core.attempt}${undo}`);
    const round = `${stored.commandId}-drain${stored.drain?.round}`;
    expect(commandId).toBe(isDrain ? round.replace("drain", send.command) : stored.commandId);
    if (properties["newer_than"] !== undefined) expect(properties["newer_than"]).toBe(stored.generationBefore);
    if (!this.#begun.has(commandId)) {
      this.#begun.add(commandId);
      // Nobody is restarted before it was taken out.
      if (!isDrain && core.options.drainMs > 0) expect(this.#journal.get(round)).toBe("done");
      if (send.command !== "undrain") this.#checkFirst(before, core, send);
    }
    this.#inFlight.push(send);
  }

  #checkFirst(before: RolloutCore, core: RolloutCore, { host, command }: Send): void {
    const wave = core.steps.find((one) => one.host === host)!.wave;
    const earlier = core.steps.filter((one) => one.wave < wave && one.state !== "untouched");
    for (const one of earlier) expect(SETTLED).toContain(one.state);
    // What is at work goes on while it is paused; to be taken out is the beginning.
    const isBegun = core.options.drainMs > 0 && command !== "drain";
    expect(isBegun ? ["running", "paused"] : ["running"]).toContain(before.state);
    const failed = core.steps.filter((one) => one.state === "failed").length;
    const { maxFail } = core.options;
    if (core.phase === "forward" && maxFail.kind === "count") expect(failed).toBeLessThanOrEqual(maxFail.n);
    const others = [...this.cores.values()].filter((other) => other.id !== core.id && !hasEnded(other.state));
    const atWork = new Set(
      others.flatMap((other) => other.steps.filter((one) => AT_WORK.has(one.state)).map((one) => one.host)),
    );
    expect(atWork).not.toContain(host); // never under two rollouts at once
    const population = [...core.steps.map((one) => one.host), ...core.others];
    const isWell = (of: RolloutCore, name: string): boolean => {
      const step = of.steps.find((one) => one.host === name);
      const sight = of.sights[population.indexOf(name)];
      const isFlying =
        step !== undefined && (["sent", "accepted", "restarted"].includes(step.state) || step.drain?.isOut === true);
      return sight?.isLost === false && sight.view !== null && isWhole(sight.view) && !isFlying && !atWork.has(name);
    };
    if (!isWell(before, host)) return; // nothing was taken away
    expect(population.filter((name) => isWell(core, name)).length).toBeGreaterThanOrEqual(core.floor);
  }

  #sightsOf(core: RolloutCore): readonly Sight[] {
    return [...core.index.keys()].map((host) => ({ view: this.#view(host), isLost: this.#lost.has(host) }));
  }

  #view(host: string): HostView {
    return this.#views.get(host)!;
  }
}

function isWhole({ state, processes, numprocesses }: HostView): boolean {
  return (
    state === "active" && processes.length === numprocesses && processes.every(({ health }) => health === "healthy")
  );
}

function whole(generation: number, over: Partial<HostView>, numprocesses: number): HostView {
  const processes = Array.from({ length: numprocesses }, (_, at) => ({
    ...view(generation).processes[0]!,
    wid: at + 1,
    pid: generation * 1000 + at,
  }));
  return view(generation, { ...over, numprocesses, processes });
}
