/** A rollout as lines: the plan, the progress, the end, the list. Pure. */
import {
  ALL_WATCHERS,
  formatDuration,
  formatShare,
  hasEnded,
  type RolloutRecord,
  type RolloutState,
  type RolloutStep,
  type StepState,
  shortHash,
} from "@circus-cluster/proto";
import { type Cell, type Column, clean, paint, type Tone, table } from "../render/table.ts";
import { localTime, relative, timeAndAge } from "../render/time.ts";

const STEP_TONES: Readonly<Record<StepState, Tone | undefined>> = {
  pending: "dim",
  draining: undefined,
  drained: undefined,
  sent: undefined,
  accepted: undefined,
  restarted: undefined,
  undraining: undefined,
  soaking: undefined,
  done: "good",
  failed: "bad",
  restored: "warn",
  untouched: "warn",
  skipped: "warn",
};
const ROLLOUT_TONES: Readonly<Record<RolloutState, Tone>> = {
  running: "warn",
  paused: "warn",
  aborting: "warn",
  done: "good",
  failed: "bad",
  aborted: "bad",
  superseded: "bad",
};

const LIST: readonly Column[] = [
  { title: "ROLLOUT" },
  { title: "STATE" },
  { title: "WHAT" },
  { title: "BY" },
  { title: "BEGUN" },
  { title: "TOOK" },
  { title: "HOSTS", isRight: true },
  { title: "REASON" },
];
const STEPS: readonly Column[] = [
  { title: "WAVE", isRight: true },
  { title: "HOST" },
  { title: "STATE" },
  { title: "COMMAND" },
  { title: "SINCE" },
  { title: "REASON" },
  { title: "PIDS BEFORE" },
  { title: "PIDS AFTER" },
];
const BAR = 20;
/** Hosts with a line of their own on a terminal, so that the picture fits. */
const HOST_LINES_MAX = 15;
const WAVE_LINES_MAX = 8;

function stepCell(state: StepState): Cell {
  const tone = STEP_TONES[state];
  return tone === undefined ? { text: state } : { text: state, tone };
}

/** Hosts of each wave that there is, in order, with its number from 1. */
function wavesOf(
  steps: readonly RolloutStep[],
): readonly { readonly no: number; readonly steps: readonly RolloutStep[] }[] {
  const waves = new Map<number, RolloutStep[]>();
  for (const step of [...steps].sort((a, b) => a.wave - b.wave)) {
    waves.set(step.wave, [...(waves.get(step.wave) ?? []), step]);
  }
  return [...waves].map(([wave, those]) => ({ no: wave + 1, steps: those }));
}

function lastWave(steps: readonly RolloutStep[]): number {
  return Math.max(1, ...steps.map((step) => step.wave + 1));
}

function doneOf(steps: readonly RolloutStep[]): number {
  return steps.filter(({ state }) => state === "done").length;
}

/** `restart web`, `set web numprocesses=3`, `incr web 2`. */
function whatText({ command, watcher, properties }: RolloutRecord): string {
  if (command === "config") {
    const { version, from } = properties;
    return typeof version === "string"
      ? `config push ${shortHash(version)}`
      : `config rollback ${shortHash(String(from))}`;
  }
  const { options, ...more } = properties;
  const pairs = typeof options === "object" && options !== null ? Object.entries(options) : Object.entries(more);
  const words = pairs.map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  return [command, ...(watcher === ALL_WATCHERS ? [] : [watcher]), ...words].join(" ");
}

/** The lines of `rollout list`. */
export function listLines(rollouts: readonly RolloutRecord[], nowMs: number, colour: boolean): string[] {
  const rows = rollouts.map((one): (Cell | string)[] => [
    one.id,
    { text: one.state, tone: ROLLOUT_TONES[one.state] },
    whatText(one),
    one.actor,
    timeAndAge(one.created, nowMs),
    formatDuration((one.ended ?? nowMs) - one.created),
    `${doneOf(one.steps)}/${one.steps.length}`,
    one.reason ?? one.waiting ?? "",
  ]);
  return table(LIST, rows, colour);
}

/** `batch 25%, soak 10s, …`; what is the default and means nothing more is left out. */
function optionsText({ options, floor }: RolloutRecord): string {
  const { canary, canaryPauseMs, waitMs, deadlineMs, drainMs, order, spread, limit, onLost, onFail } = options;
  const pause = canaryPauseMs === null ? "then an approval" : `then ${formatDuration(canaryPauseMs)}`;
  return [
    `batch ${options.batch.map(formatShare).join(",")}`,
    ...(canary === 0 ? [] : [`canary ${canary} ${pause}`]),
    ...(drainMs === 0 ? [] : [`drained ${formatDuration(drainMs)} before`]),
    `soak ${formatDuration(options.soakMs)}`,
    `health timeout ${formatDuration(options.healthTimeoutMs)}`,
    `failures tolerated ${formatShare(options.maxFail)}`,
    `healthy at least ${floor}`,
    ...(waitMs === null ? ["approval of each wave"] : waitMs === 0 ? [] : [`${formatDuration(waitMs)} between waves`]),
    ...(deadlineMs === null ? [] : [`deadline ${formatDuration(deadlineMs)}`]),
    ...(order === "name" ? [] : [`order ${order}`]),
    ...(spread === null ? [] : [`spread over ${clean(spread)}`]),
    ...(limit === null ? [] : [`the first ${limit} hosts`]),
    ...(onLost === "fail" ? [] : ["lost hosts skipped"]),
    ...(onFail === "stop" ? [] : ["rollback on failure"]),
  ].join(", ");
}

/** The lines of `rollout show`. @param prove with the pids before and after */
export function showLines(record: RolloutRecord, nowMs: number, colour: boolean, prove: boolean): string[] {
  const took = record.ended === null ? "runs for" : "took";
  const state = paint(record.state, ROLLOUT_TONES[record.state], colour);
  const rows = record.steps.map((step): (Cell | string)[] => [
    String(step.wave + 1),
    step.host,
    stepCell(step.state),
    step.outcome ?? "",
    step.state === "pending" || step.state === "untouched" ? "" : localTime(step.updated),
    step.reason ?? "",
    prove ? step.pidsBefore.join(",") : "",
    prove ? step.pidsAfter.join(",") : "",
  ]);
  const attempt = record.attempt === 1 ? "" : `, attempt ${record.attempt}`;
  const late = record.late ?? [];
  return [
    `rollout ${clean(record.id)}: ${clean(whatText(record))} by ${clean(record.actor)}: ${state}${attempt}`,
    `begun ${timeAndAge(record.created, nowMs)}, ${took} ${formatDuration((record.ended ?? nowMs) - record.created)}`,
    optionsText(record),
    ...(record.reason === null ? [] : [`why: ${clean(record.reason)}`]),
    ...waitingLines(record),
    ...table(STEPS, rows, colour),
    ...(late.length === 0 ? [] : [`joined later, not touched: ${late.map(clean).join(", ")}`]),
  ];
}

function waitingLines({ waiting, state }: RolloutRecord): string[] {
  return waiting === null || state === "paused" ? [] : [clean(waiting)];
}

/** What a rollout would do. */
export function planLines(record: RolloutRecord): string[] {
  const waves = wavesOf(record.steps.filter(({ state }) => state !== "skipped"));
  const hosts = waves.reduce((sum, wave) => sum + wave.steps.length, 0);
  const isCanary = record.options.canary > 0;
  return [
    `${clean(whatText(record))} on ${count(hosts, "host")} in ${count(waves.length, "wave")}; ${optionsText(record)}`,
    ...waves.map(({ no, steps }) => {
      const canary = no === 1 && isCanary ? " (canary)" : "";
      return `wave ${no}${canary}: ${steps.map(({ host }) => host).join(", ")}`;
    }),
    ...record.steps
      .filter(({ state }) => state === "skipped")
      .map(({ host, reason }) => `skipped: ${host}${reason === null ? "" : `: ${clean(reason)}`}`),
  ];
}

/** What became of it, when it has ended: which host failed and why, which are untouched, how to go on. */
export function endLines(record: RolloutRecord, colour: boolean): string[] {
  const took = formatDuration((record.ended ?? record.created) - record.created);
  const state = paint(record.state, ROLLOUT_TONES[record.state], colour);
  const those = (word: StepState): readonly RolloutStep[] => record.steps.filter((step) => step.state === word);
  const part = (word: StepState): string[] => {
    const hosts = those(word).map(({ host, reason }) => `${host}${reason === null ? "" : ` (${clean(reason)})`}`);
    return hosts.length === 0 ? [] : [`${word}: ${hosts.join(", ")}`];
  };
  const all = `${doneOf(record.steps)} of ${count(record.steps.length, "host")}`;
  const left = [...those("failed"), ...those("untouched"), ...those("restored")].length;
  return [
    `rollout ${clean(record.id)} ${state}: ${all} in ${took}${record.reason === null ? "" : `: ${clean(record.reason)}`}`,
    ...part("failed"),
    ...part("restored"),
    ...part("skipped"),
    ...part("untouched"),
    ...(left === 0 ? [] : [`what failed or was left, once more: circusctl rollout retry ${clean(record.id)}`]),
  ];
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}

/** What changed from one picture to the next: a line a host, and what the whole waits for. */
export function changeLines(before: RolloutRecord | null, after: RolloutRecord, colour: boolean): string[] {
  const known = new Map(before?.steps.map((step) => [step.host, step]));
  const waves = lastWave(after.steps);
  const lines = after.steps
    .filter((step) => (known.get(step.host)?.state ?? "pending") !== step.state)
    .map((step) => {
      const { text, tone } = stepCell(step.state);
      const why = step.reason === null ? "" : `: ${clean(step.reason)}`;
      return `wave ${step.wave + 1}/${waves}  ${step.host}  ${paint(text, tone, colour)}${why}`;
    });
  const now = standstill(after);
  return now === null || now === (before === null ? null : standstill(before)) ? lines : [...lines, now];
}

/** Why it stands still, where it does. */
function standstill(record: RolloutRecord): string | null {
  if (hasEnded(record.state)) return null;
  if (record.state !== "running") return clean(`${record.state}: ${record.reason ?? record.waiting ?? ""}`);
  return record.waiting === null ? null : clean(record.waiting);
}

/** The picture that a terminal keeps redrawing: a bar a wave, and a line for each host at work or failed. */
export function liveLines(record: RolloutRecord, nowMs: number, columns: number, colour: boolean): string[] {
  const waves = wavesOf(record.steps);
  const at = Math.max(
    0,
    waves.findIndex(({ steps }) => steps.some(({ state }) => !isPast(state))),
  );
  const first = Math.max(0, Math.min(at - 2, waves.length - WAVE_LINES_MAX));
  const shown = waves.slice(first, first + WAVE_LINES_MAX);
  const last = lastWave(record.steps);
  const bars = shown.map(({ no, steps }): Line => ({ text: `wave ${no}/${last}  ${bar(steps)}` }));
  const isShown = ({ state }: RolloutStep): boolean => !isPast(state) || state === "failed";
  const busy = (waves[at]?.steps ?? []).filter((step) => isShown(step) && step.state !== "pending");
  const failed = record.steps.filter((step) => step.state === "failed" && !busy.includes(step));
  const hosts = [...failed, ...busy].map((step): Line => {
    const { text, tone } = stepCell(step.state);
    const line = `  ${step.host}  ${text}${step.reason === null ? "" : `: ${step.reason}`}`;
    return tone === undefined ? { text: line } : { text: line, tone };
  });
  const more = hosts.length - HOST_LINES_MAX;
  const still = standstill(record);
  const head = `${whatText(record)}: ${doneOf(record.steps)}/${record.steps.length} done, begun ${relative(record.created, nowMs)}`;
  const lines: Line[] = [
    { text: head },
    ...bars,
    ...hosts.slice(0, HOST_LINES_MAX),
    ...(more > 0 ? [{ text: `  and ${more} more` }] : []),
    ...(still === null ? [] : [{ text: still, tone: "warn" } as const]),
  ];
  return lines.map(({ text, tone }) => {
    const cut = Array.from(clean(text)).slice(0, Math.max(20, columns - 1));
    return paint(cut.join(""), tone, colour);
  });
}

interface Line {
  readonly text: string;
  readonly tone?: Tone;
}

function isPast(state: StepState): boolean {
  return state === "done" || state === "failed" || state === "restored" || state === "skipped" || state === "untouched";
}

/** `[#####.....] 2/4 done, 1 failed` */
function bar(steps: readonly RolloutStep[]): string {
  const past = steps.filter(({ state }) => isPast(state)).length;
  const full = Math.round((BAR * past) / Math.max(1, steps.length));
  const words = new Map<StepState, number>();
  for (const { state } of steps) if (state !== "done") words.set(state, (words.get(state) ?? 0) + 1);
  const rest = [...words].map(([state, n]) => `, ${n} ${state}`).join("");
  return `[${"#".repeat(full)}${".".repeat(BAR - full)}] ${doneOf(steps)}/${steps.length} done${rest}`;
}
