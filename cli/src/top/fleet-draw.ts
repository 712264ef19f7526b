/** The lines of the fleet's screen: what is wrong first, only as many rows made as there is room for. Pure. */
import { PRESENCES } from "@circus-cluster/proto";
import { clean } from "../render/table.ts";
import { type FleetSort, type FleetTop, indexOfSelected, shownRows } from "./fleet-model.ts";
import { type FleetRow, trouble } from "./fleet-picture.ts";
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
  several,
  size,
  textOf,
} from "./pieces.ts";

export interface FleetSurroundings {
  /** Ms between two looks. */
  readonly everyMs: number;
}

interface ColumnSpec {
  readonly title: string;
  readonly width: number;
  readonly isRight: boolean;
  readonly sort?: FleetSort;
}

const COLUMNS = [
  { title: "PRESENCE", width: 8, isRight: false },
  { title: "STATE", width: 9, isRight: false, sort: "trouble" },
  { title: "HEALTHY", width: 8, isRight: true },
  { title: "CPU%", width: 7, isRight: true, sort: "cpu" },
  { title: "RSS", width: 8, isRight: true, sort: "memory" },
  { title: "RESTARTS", width: 9, isRight: true, sort: "restarts" },
  { title: "HEARD", width: 8, isRight: true, sort: "age" },
] as const satisfies readonly ColumnSpec[];
type Title = (typeof COLUMNS)[number]["title"];
/** A narrow screen does without these, the first first. */
const DISPENSABLE: readonly Title[] = ["PRESENCE", "RSS", "RESTARTS", "HEARD"];
const NAME_MIN = 8;
const NAME_MAX = 28;
/** Of a reason, where there is room. */
const REASON_MIN = 10;

const HELP: readonly string[] = [
  "w c m n t a   sort by what is wrong, CPU, memory, name, restarts, age of the information; again: the other way round",
  "up down j k   choose a row; Home, End",
  "Enter Escape  the watchers of this host only; all again",
  "/             filter by part of a host's or watcher's name; Enter keeps it, Escape takes it back",
  "h ?           this page",
  "q Ctrl-C      leave",
  "",
  "HEALTHY are healthy processes of those wanted. RESTARTS counts processes that ended unasked, or were ill, and were",
  "replaced since circusd started. HEARD is how old a row is: now, where the agent itself has just said it.",
  "",
  "Any key goes back.",
];

export function fleetLines(state: FleetTop, around: FleetSurroundings): readonly Line[] {
  const { rows, columns } = state.size;
  const head = headOf(state, around);
  const room = Math.max(0, rows - head.length - 2);
  const body = state.mode.kind === "help" ? HELP.map((text) => [plain(text)]) : bodyOf(state, room);
  const lines = [...head, ...body].slice(0, Math.max(0, rows - 1));
  while (lines.length < rows - 1) lines.push([]);
  return [...lines, footOf(state)].slice(0, rows).map((line) => cut(line, columns));
}

/** The same without a screen, all rows. */
export function plainFleetLines(state: FleetTop, around: FleetSurroundings): readonly string[] {
  return [...headOf(state, around), ...bodyOf(state, null)].map(textOf);
}

function headOf({ picture, trouble: reason, filter, open }: FleetTop, { everyMs }: FleetSurroundings): readonly Line[] {
  if (picture === null) return [[bold("the fleet")], [plain(reason ?? "waiting for an answer …")]];
  const { hosts, rows, controller } = picture;
  const count = PRESENCES.reduce((sum, presence) => sum + hosts[presence], 0);
  const away = PRESENCES.filter((presence) => presence !== "online" && hosts[presence] > 0);
  const wrong = rows.filter((row) => trouble(row) >= 3).length;
  const source = controller === null ? "no controller answers: those that hear" : `says ${controller}`;
  const first: Piece[] = [
    bold(several(count, "host")),
    plain(` (${[`${hosts.online} online`, ...away.map((presence) => `${hosts[presence]} ${presence}`)].join(", ")}), `),
    plain(`${several(rows.filter(({ watcher }) => watcher !== null).length, "watcher")}, `),
    { text: wrong === 0 ? "all well" : `${wrong} in trouble`, style: wrong === 0 ? "good" : "bad" },
    plain(`; ${source}, every ${everyMs / 1000} s`),
  ];
  const shown = [...(open === null ? [] : [`host ${open}`]), ...(filter === "" ? [] : [`filter: ${filter}`])];
  if (reason !== null) return [first, [{ text: clean(`${reason}; what follows is old, trying again`), style: "bad" }]];
  return [first, [plain(clean(shown.join(", ")))]];
}

interface Widths {
  readonly host: number;
  readonly watcher: number;
  readonly columns: readonly (typeof COLUMNS)[number][];
  /** 0: it has no room. */
  readonly reason: number;
}

function widthsOf(room: number, rows: readonly FleetRow[]): Widths {
  const longest = (names: readonly (string | null)[]): number =>
    names.reduce((most, name) => Math.max(most, Math.min(NAME_MAX, name?.length ?? 0)), NAME_MIN);
  const host = longest(rows.map((row) => row.host));
  const watcher = longest(rows.map((row) => row.watcher));
  let columns: Widths["columns"] = COLUMNS;
  const fixed = (): number => host + 1 + watcher + columns.reduce((sum, { width }) => sum + width + 1, 0);
  for (const title of DISPENSABLE) {
    if (fixed() > room) columns = columns.filter((column) => column.title !== title);
  }
  const reason = room - fixed() - 1;
  return { host, watcher, columns, reason: reason < REASON_MIN ? 0 : reason };
}

/** @param room for rows under the title; null: all */
function bodyOf(state: FleetTop, room: number | null): readonly Line[] {
  const all = shownRows(state);
  const at = indexOfSelected(state, all);
  const space = room ?? all.length;
  const from = Math.max(0, Math.min(at - Math.floor(space / 2), all.length - space));
  const rows = all.slice(from, from + space);
  const widths = widthsOf(state.size.columns, rows);
  return [
    titleLine(state, widths),
    ...rows.map((row, index) => rowLine(row, widths, room !== null && from + index === at)),
  ];
}

function titleLine({ sort, isReversed }: FleetTop, { host, watcher, columns, reason }: Widths): Line {
  const mark = isReversed ? "<" : ">";
  const titles = columns.map((column: ColumnSpec) =>
    fit(column.sort === sort ? `${mark}${column.title}` : column.title, column.width, column.isRight),
  );
  const first = fit(sort === "name" ? `${mark}HOST` : "HOST", host);
  return [bold([first, fit("WATCHER", watcher), ...titles, fit("REASON", reason)].join(" "))];
}

const TONES: Readonly<Record<string, Style>> = {
  ...{ online: "plain", late: "warn", lost: "bad", left: "dim", unknown: "warn" },
  ...{ active: "good", starting: "warn", stopping: "warn", stopped: "dim", failed: "bad" },
};

function rowLine(row: FleetRow, { host, watcher, columns, reason }: Widths, isChosen: boolean): Line {
  const { presence, state, healthy, numprocesses, running, restarts, ageMs } = row;
  const cells: Readonly<Record<Title, string>> = {
    PRESENCE: presence,
    STATE: state ?? "",
    HEALTHY: row.watcher === null ? "" : `${healthy}/${numprocesses ?? running}`,
    "CPU%": percent(row.cpu, 1),
    RSS: size(row.rssBytes),
    RESTARTS: restarts === null ? "-" : String(restarts),
    HEARD: ageMs === null ? "never" : ageMs < 1000 ? "now" : age(ageMs / 1000),
  };
  const isIll = state === "active" && trouble(row) > 0;
  const toneOf = (title: Title): Style => {
    if (title === "HEALTHY") return isIll ? "bad" : "plain";
    return title === "STATE" || title === "PRESENCE" ? (TONES[cells[title]] ?? "plain") : "plain";
  };
  const pieces = columns.map(({ title, width, isRight }): Piece => {
    return { text: ` ${fit(cells[title], width, isRight)}`, style: isChosen ? "cursor" : toneOf(title) };
  });
  const name = `${fit(clean(row.host), host)} ${fit(clean(row.watcher ?? "-"), watcher)}`;
  const why = ` ${fit(clean(row.reason ?? ""), reason)}`;
  return [
    { text: name, style: isChosen ? "cursor" : "bold" },
    ...pieces,
    { text: why, style: isChosen ? "cursor" : "dim" },
  ];
}

function footOf({ mode, filter }: FleetTop): Line {
  if (mode.kind === "filter") return [bold("filter: "), plain(`${clean(filter)}_`)];
  const text = "q quit  h help  Enter host  / filter  sort: w wrong c cpu m memory n name t restarts a age";
  return [{ text, style: "dim" }];
}
