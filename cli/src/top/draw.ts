/** The lines of the screen of `top`, as pieces of text with a style; at most as many and as long as it has room for. Pure. */
import { clean } from "../render/table.ts";
import { oldest, type Sort, selectedWatcher, shownProcesses, shownWatchers, type TopState, total } from "./model.ts";
import type { TopProcess, TopWatcher } from "./picture.ts";

export type Style = "plain" | "bold" | "cursor" | "dim" | "good" | "warn" | "bad";

interface Piece {
  readonly text: string;
  readonly style: Style;
}
export type Line = readonly Piece[];

/** What the screen says beside the state. */
export interface Surroundings {
  readonly endpoint: string;
  /** Ms between two looks. */
  readonly everyMs: number;
  /** Characters of a sparkline, the lowest first. */
  readonly levels: string;
}

/** For terminals with and without Unicode. */
export const BLOCKS = "▁▂▃▄▅▆▇█";
export const ASCII_LEVELS = "_.-:=+*#";

/** A sparkline whose highest is no more than this is flat: noise is no peak. Per cent of a processor. */
const PEAK_MIN = 10;

interface ColumnSpec {
  readonly title: string;
  readonly width: number;
  readonly isRight: boolean;
  readonly sort?: Sort;
}

const COLUMNS = [
  { title: "STATUS", width: 9, isRight: false },
  { title: "PROCS", width: 7, isRight: true },
  { title: "CPU%", width: 7, isRight: true, sort: "cpu" },
  { title: "MEM%", width: 6, isRight: true, sort: "mem" },
  { title: "RSS", width: 8, isRight: true },
  { title: "AGE", width: 7, isRight: true, sort: "age" },
  { title: "RESTARTS", width: 9, isRight: true, sort: "restarts" },
] as const satisfies readonly ColumnSpec[];
type Cells = Readonly<Partial<Record<(typeof COLUMNS)[number]["title"], string>>>;
/** A narrow screen does without these, the first first. */
const DISPENSABLE: readonly string[] = ["RSS", "MEM%", "PROCS", "AGE"];
const NAME_MIN = 12;
const NAME_MAX = 32;
const SPARK_MAX = 30;

const HELP: readonly string[] = [
  "c m a n t     sort by CPU, memory, age, name, restarts; the same key again turns the order round",
  "up down j k   choose a watcher; Home, End",
  "r             restart it (asks first)",
  "p             show or hide processes",
  "/             filter by part of a watcher's or program's name; Enter keeps it, Escape takes it back",
  "h ?           this page",
  "q Ctrl-C      leave",
  "",
  "RESTARTS counts processes that ended unasked, or were ill, and were replaced since circusd started.",
  "The bars are the CPU of the watcher's processes over the last looks, to their own highest.",
  "",
  "Any key goes back.",
];

export function linesOf(state: TopState, around: Surroundings): readonly Line[] {
  const { rows, columns } = state.size;
  const body = state.mode.kind === "help" ? HELP.map((text) => [plain(text)]) : bodyOf(state, around);
  const head = headOf(state, around);
  const foot = footOf(state);
  const room = Math.max(0, rows - head.length - 1);
  const lines = [...head, ...scrolled(body, room)];
  while (lines.length < rows - 1) lines.push([]);
  return [...lines.slice(0, Math.max(0, rows - 1)), foot].slice(0, rows).map((line) => cut(line, columns));
}

/** The same without a screen, for a pipe or a file. */
export function plainLinesOf(state: TopState, around: Surroundings): readonly string[] {
  const body = bodyOf({ ...state, selected: "" }, around);
  return [...headOf(state, around), ...body].map((line) =>
    line
      .map(({ text }) => text)
      .join("")
      .trimEnd(),
  );
}

function headOf({ picture, trouble, filter }: TopState, { endpoint, everyMs }: Surroundings): readonly Line[] {
  if (picture === null) return [[bold(`circusd at ${endpoint}`)], [plain(trouble ?? "waiting for its answer …")]];
  const { agent, watchers } = picture;
  const processes = watchers.reduce((sum, watcher) => sum + watcher.processes.length, 0);
  const own =
    agent === null
      ? ""
      : ` pid ${agent.pid}, up ${age(agent.ageS)}, cpu ${percent(agent.cpu, 1)}%, ${size(agent.rssBytes)}`;
  const counted = `${several(watchers.length, "watcher")}, ${several(processes, "process", "processes")}`;
  const filtered = filter === "" ? "" : `; filter: ${filter}`;
  return [
    [bold(`circusd at ${endpoint}`), plain(own)],
    trouble === null
      ? [plain(clean(`${counted}, every ${everyMs / 1000} s${filtered}`))]
      : [{ text: clean(`${trouble}; what follows is old, trying again`), style: "bad" }],
  ];
}

function several(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

interface Widths {
  readonly name: number;
  readonly columns: readonly (typeof COLUMNS)[number][];
  readonly spark: number;
}

/** The name takes what the columns leave, the sparkline what is left then. */
function widthsOf(room: number): Widths {
  let columns: Widths["columns"] = COLUMNS;
  const fixed = (): number => columns.reduce((sum, { width }) => sum + width + 1, 0);
  for (const title of DISPENSABLE) {
    if (NAME_MIN + fixed() > room) columns = columns.filter((column) => column.title !== title);
  }
  const name = Math.max(NAME_MIN, Math.min(NAME_MAX, room - fixed() - 1));
  return { name, columns, spark: Math.max(0, Math.min(SPARK_MAX, room - fixed() - name - 1)) };
}

function bodyOf(state: TopState, { levels }: Surroundings): readonly Line[] {
  const { picture, history, size } = state;
  if (picture === null) return [];
  const widths = widthsOf(size.columns);
  const chosen = state.selected === "" ? undefined : selectedWatcher(state)?.name;
  const lines: Line[] = [titleLine(state, widths)];
  for (const watcher of shownWatchers(state)) {
    const spark = sparkline(history.get(watcher.name) ?? [], widths.spark, levels);
    lines.push(watcherLine(watcher, widths, spark, watcher.name === chosen));
    if (watcher.reason !== null && watcher.status !== "active") {
      lines.push([{ text: `  ${clean(watcher.reason)}`, style: "dim" }]);
    }
    if (state.hasProcesses) lines.push(...shownProcesses(state, watcher).map((one) => processLine(one, widths)));
  }
  if (picture.sockets.length > 0) lines.push([], [bold(fit("SOCKETS", widths.name)), bold(" READS")]);
  for (const { address, reads } of picture.sockets) {
    lines.push([plain(`${fit(clean(address), widths.name)} ${String(reads).padStart(5)}`)]);
  }
  return lines;
}

function titleLine({ sort, isReversed }: TopState, { name, columns, spark }: Widths): Line {
  const mark = isReversed ? "<" : ">";
  const titleOf = (column: ColumnSpec): string => (column.sort === sort ? `${mark}${column.title}` : column.title);
  const titles = columns.map((column) => fit(titleOf(column), column.width, column.isRight));
  const first = fit(sort === "name" ? `${mark}WATCHER` : "WATCHER", name);
  return [bold([first, ...titles, fit("CPU", spark)].join(" "))];
}

const TONES: Readonly<Record<string, Style>> = {
  ...{ active: "good", healthy: "good", starting: "warn", stopping: "warn", stopped: "dim" },
  ...{ failed: "bad", unhealthy: "bad" },
};

function watcherLine(watcher: TopWatcher, widths: Widths, spark: string, isChosen: boolean): Line {
  const { name, status, numprocesses, processes, restarts } = watcher;
  const cells: Cells = {
    STATUS: status,
    PROCS: numprocesses === null ? String(processes.length) : `${processes.length}/${numprocesses}`,
    "CPU%": percent(total(watcher, "cpu"), 1),
    "MEM%": percent(total(watcher, "mem"), 2),
    RSS: size(total(watcher, "rssBytes")),
    AGE: age(oldest(watcher)),
    RESTARTS: restarts === null ? "-" : String(restarts),
  };
  return row(clean(name), cells, spark, widths, isChosen ? "cursor" : "bold");
}

function processLine({ pid, program, cpu, mem, rssBytes, ageS, health, children }: TopProcess, widths: Widths): Line {
  const more = children === 0 ? "" : ` +${children}`;
  const numbers: Cells = { "CPU%": percent(cpu, 1), "MEM%": percent(mem, 2), RSS: size(rssBytes), AGE: age(ageS) };
  return row(`  ${pid} ${clean(program)}${more}`, { STATUS: health ?? "", ...numbers }, "", widths, "plain");
}

function row(name: string, cells: Cells, spark: string, { name: width, columns }: Widths, style: Style): Line {
  const status = cells.STATUS ?? "";
  const pieces = columns.map(({ title, width: columnWidth, isRight }): Piece => {
    const text = ` ${fit(cells[title] ?? "", columnWidth, isRight)}`;
    if (style === "cursor") return { text, style };
    return { text, style: title === "STATUS" ? (TONES[status] ?? "plain") : "plain" };
  });
  const last = style === "bold" ? "plain" : style;
  return [{ text: fit(name, width), style }, ...pieces, { text: ` ${spark}`, style: last }];
}

function footOf({ mode, message, filter }: TopState): Line {
  switch (mode.kind) {
    case "filter":
      return [bold("filter: "), plain(`${clean(filter)}_`)];
    case "confirm":
      return [{ text: `restart ${clean(mode.watcher)}? y/n`, style: "warn" }];
    case "help":
    case "list":
      if (message !== null) return [bold(clean(message))];
      return [
        {
          text: "q quit  h help  r restart  / filter  p processes  sort: c cpu m mem a age n name t restarts",
          style: "dim",
        },
      ];
    default:
      return mode satisfies never;
  }
}

/** So that the cursor's line is in sight; the title stays. */
function scrolled(body: readonly Line[], room: number): readonly Line[] {
  if (body.length <= room) return body;
  const [title, ...rest] = body;
  const at = rest.findIndex((line) => line.some(({ style }) => style === "cursor"));
  const space = Math.max(1, room - 1);
  const from = Math.max(0, Math.min(at - Math.floor(space / 2), rest.length - space));
  return [title ?? [], ...rest.slice(from, from + space)].slice(0, room);
}

/** The newest on the right. */
export function sparkline(values: readonly number[], width: number, levels: string): string {
  const steps = Array.from(levels);
  const shown = width === 0 ? [] : values.slice(-width);
  const peak = Math.max(PEAK_MIN, ...shown);
  const bar = (value: number): string =>
    steps[Math.min(steps.length - 1, Math.floor((value / peak) * steps.length))] ?? "";
  return shown.map(bar).join("");
}

/** `3s`, `4m07s`, `2h05m`, `12d03h`. */
export function age(seconds: number | null): string {
  if (seconds === null) return "-";
  const s = Math.max(0, Math.floor(seconds));
  const two = (n: number): string => String(n).padStart(2, "0");
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m${two(s % 60)}s`;
  if (s < 86_400) return `${Math.floor(s / 3600)}h${two(Math.floor(s / 60) % 60)}m`;
  return `${Math.floor(s / 86_400)}d${two(Math.floor(s / 3600) % 24)}h`;
}

function percent(value: number | null, digits: number): string {
  return value === null ? "-" : value.toFixed(digits);
}

/** `1.6M`. */
function size(bytes: number | null): string {
  if (bytes === null) return "-";
  const power = bytes < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)}${"BKMGT"[power] ?? ""}`;
}

/** Exactly so many characters. */
function fit(text: string, width: number, isRight = false): string {
  const characters = Array.from(text);
  if (characters.length > width) return width < 2 ? "".padEnd(width) : `${characters.slice(0, width - 1).join("")}~`;
  const blanks = " ".repeat(width - characters.length);
  return isRight ? blanks + text : text + blanks;
}

function cut(line: Line, columns: number): Line {
  let left = columns;
  return line.map(({ text, style }) => {
    const characters = Array.from(text).slice(0, left);
    left -= characters.length;
    return { text: characters.join(""), style };
  });
}

function plain(text: string): Piece {
  return { text, style: "plain" };
}

function bold(text: string): Piece {
  return { text, style: "bold" };
}
