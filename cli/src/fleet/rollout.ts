/** `circusctl rollout list | show`, and a rollout as lines. */
import {
  EXIT,
  formatDuration,
  formatShare,
  type RolloutRecord,
  type RolloutState,
  type RolloutStep,
  type StepState,
} from "@circus-cluster/proto";
import { hasColour } from "../io.ts";
import { type Cell, type Column, clean, paint, type Tone, table } from "../render/table.ts";
import { localTime, relative, timeAndAge } from "../render/time.ts";
import type { FleetContext } from "./context.ts";
import { printDocument, printLines, warn } from "./output.ts";
import { limitOf } from "./window.ts";

const LIMIT = 20;
const LIMIT_MAX = 1000;

const STEP_TONES: Readonly<Record<StepState, Tone | undefined>> = {
  pending: "dim",
  sent: undefined,
  accepted: undefined,
  restarted: undefined,
  soaking: undefined,
  done: "good",
  failed: "bad",
  untouched: "warn",
  skipped: "warn",
};
const ROLLOUT_TONES: Readonly<Record<RolloutState, Tone>> = { running: "warn", done: "good", failed: "bad" };

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
  { title: "SINCE" },
  { title: "REASON" },
  { title: "PIDS BEFORE" },
  { title: "PIDS AFTER" },
];

function stepCell(state: StepState): Cell {
  const tone = STEP_TONES[state];
  return tone === undefined ? { text: state } : { text: state, tone };
}

/** Hosts of each wave, in order. */
function wavesOf(steps: readonly RolloutStep[]): readonly (readonly RolloutStep[])[] {
  const waves: RolloutStep[][] = [];
  for (const step of steps) (waves[step.wave] ??= []).push(step);
  return waves.filter((wave) => wave.length > 0);
}

function doneOf(steps: readonly RolloutStep[]): number {
  return steps.filter(({ state }) => state === "done").length;
}

/** The lines of `rollout list`. Pure. */
export function listLines(rollouts: readonly RolloutRecord[], nowMs: number, colour: boolean): string[] {
  const rows = rollouts.map((one): (Cell | string)[] => [
    one.id,
    { text: one.state, tone: ROLLOUT_TONES[one.state] },
    `${one.command} ${one.watcher}`,
    one.actor,
    timeAndAge(one.created, nowMs),
    formatDuration((one.ended ?? nowMs) - one.created),
    `${doneOf(one.steps)}/${one.steps.length}`,
    one.reason ?? "",
  ]);
  return table(LIST, rows, colour);
}

/** `batch 25%, soak 10s, …` */
function optionsText({ options }: RolloutRecord): string {
  return [
    `batch ${options.batch.map(formatShare).join(",")}`,
    `soak ${formatDuration(options.soakMs)}`,
    `health timeout ${formatDuration(options.healthTimeoutMs)}`,
    `failures tolerated ${formatShare(options.maxFail)}`,
  ].join(", ");
}

/** The lines of `rollout show`. @param prove with the pids before and after. Pure. */
export function showLines(record: RolloutRecord, nowMs: number, colour: boolean, prove: boolean): string[] {
  const took = record.ended === null ? "runs for" : "took";
  const state = paint(record.state, ROLLOUT_TONES[record.state], colour);
  const rows = record.steps.map((step): (Cell | string)[] => [
    String(step.wave + 1),
    step.host,
    stepCell(step.state),
    step.state === "pending" || step.state === "untouched" ? "" : localTime(step.updated),
    step.reason ?? "",
    prove ? step.pidsBefore.join(",") : "",
    prove ? step.pidsAfter.join(",") : "",
  ]);
  return [
    `rollout ${clean(record.id)}: ${clean(`${record.command} ${record.watcher}`)} by ${clean(record.actor)}: ${state}`,
    `begun ${timeAndAge(record.created, nowMs)}, ${took} ${formatDuration((record.ended ?? nowMs) - record.created)}`,
    optionsText(record),
    ...(record.reason === null ? [] : [`why: ${clean(record.reason)}`]),
    ...table(STEPS, rows, colour),
  ];
}

/** What a rollout would do. Pure. */
export function planLines(record: RolloutRecord): string[] {
  const waves = wavesOf(record.steps.filter(({ state }) => state !== "skipped"));
  const hosts = waves.reduce((sum, wave) => sum + wave.length, 0);
  return [
    `${clean(`${record.command} ${record.watcher}`)} on ${count(hosts, "host")} in ${count(waves.length, "wave")}; ${optionsText(record)}`,
    ...waves.map((wave, at) => `wave ${at + 1}: ${wave.map(({ host }) => host).join(", ")}`),
    ...record.steps
      .filter(({ state }) => state === "skipped")
      .map(({ host, reason }) => `skipped: ${host}${reason === null ? "" : `: ${clean(reason)}`}`),
  ];
}

/** What became of it, when it has ended: which host failed and why, which are untouched. Pure. */
export function endLines(record: RolloutRecord, colour: boolean): string[] {
  const took = formatDuration((record.ended ?? record.created) - record.created);
  const state = paint(record.state, ROLLOUT_TONES[record.state], colour);
  const named = (word: StepState): string[] =>
    record.steps
      .filter((step) => step.state === word)
      .map(({ host, reason }) => `${host}${reason === null ? "" : ` (${clean(reason)})`}`);
  const part = (word: StepState): string[] => {
    const hosts = named(word);
    return hosts.length === 0 ? [] : [`${word}: ${hosts.join(", ")}`];
  };
  const all = `${doneOf(record.steps)} of ${count(record.steps.length, "host")}`;
  return [
    `rollout ${clean(record.id)} ${state}: ${all} in ${took}${record.reason === null ? "" : `: ${clean(record.reason)}`}`,
    ...part("failed"),
    ...part("skipped"),
    ...(record.state === "failed" ? [...part("pending"), ...part("untouched")] : []),
  ];
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}

/** What changed from one picture to the next, a line a host. Pure. */
export function changeLines(before: RolloutRecord | null, after: RolloutRecord, colour: boolean): string[] {
  const known = new Map(before?.steps.map((step) => [step.host, step]));
  const waves = wavesOf(after.steps).length;
  return after.steps
    .filter((step) => (known.get(step.host)?.state ?? "pending") !== step.state)
    .map((step) => {
      const { text, tone } = stepCell(step.state);
      const why = step.reason === null ? "" : `: ${clean(step.reason)}`;
      return `wave ${step.wave + 1}/${waves}  ${step.host}  ${paint(text, tone, colour)}${why}`;
    });
}

/** The picture that a terminal keeps redrawing: a line a wave, and the hosts at work. Pure. */
export function liveLines(record: RolloutRecord, nowMs: number, columns: number): string[] {
  const waves = wavesOf(record.steps);
  const lines = waves.map((wave, at) => {
    const words = new Map<StepState, string[]>();
    for (const { state, host } of wave) words.set(state, [...(words.get(state) ?? []), host]);
    const parts = [...words].map(([state, hosts]) => {
      const isBusy = state !== "pending" && state !== "done";
      return isBusy && hosts.length <= 4 ? `${state}: ${hosts.join(" ")}` : `${hosts.length} ${state}`;
    });
    return `wave ${at + 1}/${waves.length}  ${parts.join(", ")}`;
  });
  const head = `${record.command} ${record.watcher}: ${doneOf(record.steps)}/${record.steps.length} done, begun ${relative(record.created, nowMs)}`;
  return [head, ...lines].map((line) =>
    Array.from(clean(line))
      .slice(0, Math.max(20, columns - 1))
      .join(""),
  );
}

export async function rolloutList(context: FleetContext): Promise<number> {
  const { client, request, settings, io } = context;
  const limit = limitOf(request.options["limit"], LIMIT, LIMIT_MAX);
  const { controller, time, result } = await client.query("rollout-list", { limit });
  if (settings.json) printDocument(context, { controller, time, ...result });
  else if (result.rollouts.length === 0) warn(io, "there has been no rollout yet");
  else printLines(io, listLines(result.rollouts, time, hasColour(io)));
  return EXIT.ok;
}

export async function rolloutShow(context: FleetContext): Promise<number> {
  const { client, request, settings, io } = context;
  const [id = ""] = request.words;
  const { controller, time, result } = await client.query("rollout-show", { id });
  if (settings.json) printDocument(context, { controller, time, rollout: result });
  else printLines(io, showLines(result, time, hasColour(io), request.options["prove"] === true));
  return EXIT.ok;
}
