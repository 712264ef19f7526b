/** The lines of the screen of `top`, as pieces of text with a style; at most as many and as long as it has room for. Pure. */
import { clean } from "../render/table.ts";
import { oldest, type Sort, selectedWatcher, shownProcesses, shownWatchers, type TopState, total } from "./model.ts";
import type { TopProcess, TopWatcher } from "./picture.ts";
import {
  age,
  bold,
  cut,
  fit,
  type Line,
  type Piece,
  percent,
  plain,
  type Style,
  scrolled,
  several,
  size,
  sparkline,
  textOf,
} from "./pieces.ts";

/** What the screen says beside the state. */
export interface Surroundings {
  readonly endpoint: string;
  /** Ms between two looks. */
  readonly everyMs: number;
  /** Characters of a sparkline, the lowest first. */
  readonly levels: string;
}

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
  return [...headOf(state, around), ...body].map(textOf);
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
