/** Handlers of `logs` and `follow`: what a watcher's processes wrote, and what they write. */
import { resolve } from "node:path";
import {
  CircusError,
  FOLLOW_WAIT_MAX_MS,
  LOG_LINES_MAX,
  LOG_STREAMS,
  type LogPage,
  type LogSource,
  type LogStream,
  reasonOf,
} from "@circus-cluster/proto";
import type { WatcherConfig } from "../config/types.ts";
import { lineReader } from "../logs/line-time.ts";
import { parsePlace, placeText, readPast } from "../logs/past.ts";
import { streamOf } from "../output/outputs.ts";
import type { AgentView } from "./agent-view.ts";
import { type Checked, type Fields, named, textOf } from "./properties.ts";

export async function logs(agent: AgentView, properties: Checked): Promise<Fields> {
  const { config } = named(agent, properties);
  const stream = textOf(properties, "stream") ?? "";
  if (!isStream(stream)) throw new CircusError("message", `'stream' isn't one of ${LOG_STREAMS.join(", ")}`);
  const lines = within(properties, "lines", 1, LOG_LINES_MAX);
  const { since } = properties as { readonly since?: number };
  const text = textOf(properties, "before");
  const before = text === undefined ? null : parsePlace(text);
  if (text !== undefined && before === null) throw new CircusError("message", "'before' isn't a place of a log");
  const source = sourceOf(config, stream);
  const file = source === "file" ? agent.logs.fileOf(config, stream) : null;
  if (file === null) return { source, lines: [], before: null, timed: false } satisfies LogPage;
  const reader = lineReader(streamOf(config, stream)?.timeFormat ?? null);
  // Where stderr goes there too, the file does not tell which is which.
  const isAlone = stream === "stderr" || sourceOf(config, "stderr") !== "shared";
  try {
    const wanted = { path: file, stream: isAlone ? stream : null, reader, lines, since: since ?? null, before };
    const page = await readPast(wanted);
    const place = page.before === null ? null : placeText(page.before);
    return { source, lines: page.lines, before: place, timed: reader.isTimed } satisfies LogPage;
  } catch (error) {
    throw new CircusError("os", `cannot read ${file}: ${reasonOf(error)}`, { cause: error });
  }
}

export async function follow(agent: AgentView, properties: Checked): Promise<Fields> {
  const { config } = named(agent, properties);
  const lease = textOf(properties, "lease");
  if (lease !== undefined) {
    const taken = within(properties, "taken", 0, Number.MAX_SAFE_INTEGER);
    const wait = within(properties, "wait", 0, FOLLOW_WAIT_MAX_MS);
    return { ...(await agent.logs.followers.take(lease, config.name, taken, wait)) };
  }
  const sources = { stdout: sourceOf(config, "stdout"), stderr: sourceOf(config, "stderr") };
  // All at one moment, so that no line comes twice and none is missed.
  const ends = LOG_STREAMS.map((stream) => (sources[stream] === "file" ? agent.logs.endOf(config, stream) : null));
  const [stdout = null, stderr = null] = ends.map((end) => (end === null ? null : placeText(end)));
  const seamless = ends.every((end) => end?.isWritten !== false);
  return { lease: agent.logs.followers.open(config.name), sources, before: { stdout, stderr }, seamless };
}

function sourceOf(config: WatcherConfig, stream: LogStream): LogSource {
  const wanted = streamOf(config, stream);
  if (wanted === null) return "none";
  if (!/File/.test(wanted.class)) return "live";
  const [own, others] = [wanted.filename, stream === "stderr" ? streamOf(config, "stdout")?.filename : null];
  const isShared = typeof own === "string" && typeof others === "string" && resolve(own) === resolve(others);
  return isShared ? "shared" : "file";
}

function isStream(text: string): text is LogStream {
  return LOG_STREAMS.some((stream) => stream === text);
}

function within(properties: Checked, name: string, least: number, most: number): number {
  const value = properties[name];
  if (typeof value === "number" && value >= least && value <= most) return value;
  throw new CircusError("message", `'${name}' isn't an integer from ${least} to ${most}`);
}
