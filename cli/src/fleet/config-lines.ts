/** What `circusctl config …` shows, from what hosts and controllers say. Pure. */
import {
  type ConfigCheck,
  type ConfigEntry,
  type ConfigLook,
  HASH_SHOWN,
  type RolloutRecord,
  shortHash,
} from "@circus-cluster/proto";
import { clean, paint, type Tone, table } from "../render/table.ts";
import { timeAndAge } from "../render/time.ts";
import { unifiedDiff } from "../render/unified-diff.ts";

export interface HostCheck {
  readonly host: string;
  readonly check: ConfigCheck;
}

export interface HostLook {
  readonly host: string;
  readonly look: ConfigLook;
}

/** Hosts that say the same. */
interface Group<T> {
  readonly hosts: string[];
  readonly value: T;
}

function grouped<T>(items: readonly { readonly host: string; readonly value: T; readonly key: string }[]): Group<T>[] {
  const groups = new Map<string, Group<T>>();
  for (const { host, value, key } of items) {
    const known = groups.get(key);
    if (known === undefined) groups.set(key, { hosts: [host], value });
    else known.hosts.push(host);
  }
  return [...groups.values()];
}

/** Diffs of many hosts, of which most are the same. */
export class Diffs {
  readonly #known = new Map<string, readonly string[]>();

  of({ text, next }: Pick<ConfigCheck, "text" | "next">): readonly string[] {
    const key = JSON.stringify([text, next]);
    const known = this.#known.get(key) ?? unifiedDiff(text, next);
    this.#known.set(key, known);
    return known;
  }
}

/** `new: more; new processes: web; gone: old` */
function effectsText({ effects }: Pick<ConfigCheck, "effects">): string {
  if (effects === null) return "";
  const parts: readonly (readonly [string, readonly string[]])[] = [
    ["new", effects.added],
    ["gone", effects.removed],
    ["new processes", effects.renewed],
    ["changed in place", effects.changed],
    ["sockets", effects.sockets],
    ["only after a restart of circusd", effects.deferred],
  ];
  return parts
    .flatMap(([what, names]) => (names.length === 0 ? [] : [`${what}: ${names.map(clean).join(", ")}`]))
    .join("; ");
}

const TONES: Readonly<Record<string, Tone>> = { "+": "good", "-": "bad", "@": "dim" };

/** @param file as it is called here */
export function diffLines(checks: readonly HostCheck[], diffs: Diffs, file: string, colour: boolean): string[] {
  const items = checks.map(({ host, check }) => {
    const value = { diff: diffs.of(check), effects: effectsText(check), path: check.path };
    return { host, value, key: JSON.stringify([value.diff, value.effects]) };
  });
  return grouped(items).flatMap(({ hosts, value: { diff, effects, path } }) => {
    const who = hosts.map(clean).join(", ");
    if (diff.length === 0) return [`${who}: no difference`];
    const count = (edit: string): number => diff.filter((line) => line.startsWith(edit)).length;
    const added = count("+");
    const isOne = new Set(items.filter(({ host }) => hosts.includes(host)).map(({ value }) => value.path)).size === 1;
    return [
      `${who}: ${added} ${added === 1 ? "line" : "lines"} added, ${count("-")} removed${effects === "" ? "" : `; ${effects}`}`,
      `--- ${clean(isOne ? path : baseName(path))}`,
      `+++ ${clean(file)}`,
      ...diff.map((line) => paint(printable(line), TONES[line[0] ?? ""], colour)),
    ];
  });
}

/** `web1, web2: circus.ini:3: …` */
export function problemLines(items: readonly { readonly host: string; readonly texts: readonly string[] }[]): string[] {
  const all = items.flatMap(({ host, texts }) => texts.map((value) => ({ host, value, key: value })));
  return grouped(all).map(({ hosts, value }) => `${hosts.map(clean).join(", ")}: ${clean(value)}`);
}

/** The text of one file exactly as it is; of several with a line before each that says whose it is. */
export function showText(looks: readonly HostLook[], isTty: boolean): string {
  const groups = grouped(looks.map(({ host, look }) => ({ host, value: look, key: look.file })));
  return groups
    .map(({ hosts, value: { path, file, version, edited, text = "" } }) => {
      const shown = isTty ? text.split("\n").map(printable).join("\n") : text;
      if (groups.length === 1) return shown;
      const what = version === null ? shortHash(file) : `version ${shortHash(version)}`;
      const state = edited ? `${what}, edited by hand` : what;
      return `# ${hosts.map(clean).join(", ")}: ${clean(path)} (${state})\n${shown}${shown.endsWith("\n") ? "" : "\n"}`;
    })
    .join("");
}

/** Tabs are part of a file; what else could drive a terminal is not shown. */
function printable(line: string): string {
  return line.split("\t").map(clean).join("\t");
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** One thing that was put in place, and on which hosts. */
export interface HistoryItem {
  readonly time: number;
  readonly version: string | null;
  readonly file: string;
  readonly actor: string | null;
  readonly rollout: string | null;
  readonly hosts: readonly string[];
}

/** Newest first. @param rollouts who started them */
export function historyOf(
  looks: readonly HostLook[],
  rollouts: readonly Pick<RolloutRecord, "id" | "actor">[],
): readonly HistoryItem[] {
  const starters = new Map(rollouts.map(({ id, actor }) => [id, actor]));
  const items = looks.flatMap(({ host, look }) =>
    look.entries.map((entry) => {
      const rollout = rolloutIn(entry);
      const what = entry.version ?? entry.file;
      return { host, value: { ...entry, rollout }, key: JSON.stringify([rollout ?? `${entry.time}`, what]) };
    }),
  );
  return grouped(items)
    .map(({ hosts, value: { time, version, file, actor, rollout } }) => ({
      ...{ time, version, file, rollout, hosts },
      actor: starters.get(rollout ?? "") ?? actor,
    }))
    .sort((a, b) => b.time - a.time);
}

function rolloutIn({ cause }: ConfigEntry): string | null {
  const [id, host] = cause?.split("/") ?? [];
  return id === undefined || host === undefined ? null : id;
}

const COLUMNS = [
  { title: "WHEN" },
  { title: "VERSION" },
  { title: "BY" },
  { title: "ROLLOUT" },
  { title: "HOSTS" },
] as const;

/** `~` before the hash of a file that was there before anything was pushed. */
export function historyLines(items: readonly HistoryItem[], nowMs: number, colour: boolean): string[] {
  const rows = items.map(({ time, version, file, actor, rollout, hosts }) => [
    timeAndAge(time, nowMs),
    version === null ? `~${file.slice(0, HASH_SHOWN - 1)}` : shortHash(version),
    actor ?? "",
    rollout ?? "",
    hosts.join(", "),
  ]);
  return table(COLUMNS, rows, colour);
}
