/** The shape of the differential table and the words its rows are written in. */

export type Reply = Readonly<Record<string, unknown>>;

/** What a command line leaves: stdout and stderr normalised, as `normal.ts` says. */
export interface Typed {
  readonly out: string;
  readonly err: string;
  readonly code: number;
}

/** What circusd or circusctl 0.19 does otherwise, on purpose of ours: the D-number of reference §12, or the reason. */
interface Otherwise {
  readonly why: string;
  /** `"any"`: not looked at. */
  readonly reply?: Reply | null | "any";
  readonly typed?: Partial<Typed> | "any";
  /** What is left where one side is ours, if it is neither `typed` nor what ours alone leave. */
  readonly mixed?: Partial<Typed>;
  /** It is not even asked of circusd: afterwards it would not be in order. */
  readonly isHarmful?: true;
}

/** A command that is asked of the agent until its reply has these fields. */
export type Until = readonly [command: string, properties: Reply, fields: Reply];

export interface Row {
  readonly ask?: readonly [command: string, properties?: unknown];
  /** Instead of `ask`: these frames as they are. */
  readonly frames?: readonly string[];
  /** Without `time` and `id`; null: none is sent. */
  readonly reply?: Reply | null;
  /** Behind `circusctl`; `$PID(name)` is the first process of that watcher, in `ask` too. */
  readonly line?: string;
  /** @default stdout `ok` and exit 0 */
  readonly typed?: Partial<Typed>;
  readonly circus?: Otherwise;
  readonly until?: Until;
}

export const ok = (fields: Reply = {}): Reply => ({ status: "ok", ...fields });
export const fail = (errno: number, reason: string): Reply => ({ status: "error", errno, reason });

export const out = (text: string): Partial<Typed> => ({ out: `${text}\n` });
export const refused = (reason: string): Partial<Typed> => ({ out: "", err: `error: ${reason}\n`, code: 3 });
/** Fails before anything is sent. Circus's texts are `Invalid number of arguments` or a traceback. */
export const local = (err: string, code = 1): Pick<Row, "typed" | "circus"> => ({
  typed: { out: "", err: `${err}\n`, code },
  circus: { why: "the text says what is wrong", typed: { out: "", code } },
});

/** An answered process record: every value normalised but these. */
export const record = (cmdline: string, more: Reply = { wid: "WID", started: "TIME" }): Reply => ({
  pid: "PID",
  cmdline,
  username: "USER",
  nice: 0,
  mem_info1: "SIZE",
  mem_info2: "SIZE",
  cpu: "PERCENT",
  mem: "PERCENT",
  ctime: "CTIME",
  create_time: "TIME",
  age: "SECONDS",
  children: [],
  ...more,
});
export const line = (cmdline: string): string => `PID  ${cmdline} USER 0 SIZE SIZE PERCENT PERCENT CTIME`;
