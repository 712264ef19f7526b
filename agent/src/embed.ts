/**
 * An arbiter inside another program, as Circus's `get_arbiter` makes one. It leaves that program alone: no signal
 * handler, no exit, no umask, no log unless asked for.
 */
import { CircusError, type Logger, makeLogger } from "@circus-cluster/proto";
import { Arbiter } from "./arbiter.ts";
import { formatDiagnostics } from "./config/check.ts";
import { loadConfig } from "./config/load.ts";
import { resolve } from "./config/resolve.ts";
import type { AgentConfig, LoadResult } from "./config/types.ts";

/** Keys of a section of `circus.ini`, by the names that they have there. */
export type Section = Readonly<Record<string, string | number | boolean>>;

export interface EmbedOptions {
  /** Each needs a `cmd`, and a `name` where there are several. @default the first word of `cmd` names it */
  readonly watchers?: readonly Section[];
  /** Each needs a `name`. */
  readonly sockets?: readonly Section[];
  /** `endpoint`, `pubsub_endpoint` … */
  readonly circus?: Section;
  /** Variables of every watcher's processes. */
  readonly env?: Readonly<Record<string, string>>;
  /** @default nothing is logged */
  readonly log?: Logger;
}

const SOURCE = "options";

/**
 * An arbiter that has bound everything and started nothing: call its `start()`, and `stop()` in the end.
 *
 * @throws CircusError `message` with all mistakes in one line; or as {@link Arbiter.open}, with nothing left open
 */
export async function createArbiter(options: EmbedOptions): Promise<Arbiter> {
  const { watchers = [], sockets = [], circus = {}, env = {} } = options;
  const sections = [
    section("circus", circus),
    section("env", env),
    ...watchers.map((watcher) => section(`watcher:${nameOf(watcher)}`, watcher)),
    ...sockets.map(({ name, ...socket }) => section(`socket:${String(name ?? "")}`, socket)),
  ];
  const context = { osEnv: process.env, cwd: process.cwd(), shortHostName: "" };
  const config = usable(resolve([{ file: SOURCE, sections, diagnostics: [] }], context));
  return await Arbiter.open({ config, log: options.log ?? silent(), nofile: null, reload: null });
}

/** The same from a file, which `reloadconfig` reads again. */
export async function loadArbiter(path: string, options: Pick<EmbedOptions, "log"> = {}): Promise<Arbiter> {
  const config = usable(loadConfig(path));
  return await Arbiter.open({ config, log: options.log ?? silent(), nofile: null, reload: () => loadConfig(path) });
}

type Parsed = Parameters<typeof resolve>[0][number]["sections"][number];

function section(name: string, keys: Section): Parsed {
  const at = { file: SOURCE, line: 0 };
  const entries = Object.entries(keys).map(([key, value]) => ({ key, value: String(value), at }));
  return { name, at, entries };
}

function nameOf({ name, cmd }: Section): string {
  return String(
    name ??
      String(cmd ?? "")
        .split(/\s+/)[0]
        ?.split("/")
        .pop() ??
      "",
  );
}

function usable({ config, diagnostics }: LoadResult): AgentConfig {
  if (config !== null) return config;
  const errors = diagnostics
    .filter(({ severity }) => severity === "error")
    .map((diagnostic) => (diagnostic.at?.file === SOURCE ? { ...diagnostic, at: null } : diagnostic));
  throw new CircusError("message", formatDiagnostics(errors, process.cwd()).join("; "));
}

function silent(): Logger {
  return makeLogger(() => undefined);
}
