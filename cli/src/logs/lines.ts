/** Lines of a watcher's output as they are shown: with where they come from, harmless to a terminal. Pure. */
import type { LogLine, LogPast } from "@circus-cluster/proto";
import { paint } from "../render/table.ts";
import { localTime } from "../render/time.ts";

/** How lines are written. */
export interface LineStyle {
  /** Names of all hosts; empty: there is one, which goes without saying. */
  readonly hosts: readonly string[];
  readonly hasTimes: boolean;
  readonly isTerminal: boolean;
  readonly hasColour: boolean;
}

const HOST_COLOURS = [36, 33, 32, 35, 34, 96, 93, 92, 95, 94];
const SGR = /\u001b\[[0-9;:]*m/g;

function coloured(text: string, code: number, { hasColour }: LineStyle): string {
  return hasColour ? `\u001b[${code}m${text}\u001b[0m` : text;
}

/** A worker may write colours; whatever else drives a terminal is shown as `?`. */
function harmless(line: string, { isTerminal, hasColour }: LineStyle): string {
  if (!isTerminal) return line;
  const parts = line.split(SGR).map((part) => part.replace(/(?!\t)[\p{Cc}\p{Cf}]/gu, "?"));
  const colours = line.match(SGR) ?? [];
  if (!hasColour || colours.length === 0) return parts.join("");
  return `${parts.map((part, at) => part + (colours[at] ?? "")).join("")}\u001b[0m`;
}

/** `web1 4711 | text`; without a host, where there is one only, and without a pid, where nobody knows it. */
export function logText(host: string | null, { stream, pid, time, line }: LogLine, style: LineStyle): string {
  const at = host === null ? -1 : style.hosts.indexOf(host);
  const colour = HOST_COLOURS[Math.max(0, at) % HOST_COLOURS.length] ?? 36;
  const width = Math.max(0, ...style.hosts.map((name) => name.length));
  const from = [
    ...(at < 0 || host === null ? [] : [coloured(host.padEnd(width), colour, style)]),
    ...(pid === null ? [] : [coloured(String(pid), colour, style)]),
  ];
  const when = style.hasTimes && time !== null ? `${paint(localTime(time), "dim", style.hasColour)} ` : "";
  const bar = from.length === 0 ? "" : ` ${paint("|", stream === "stderr" ? "bad" : "dim", style.hasColour)} `;
  return `${when}${from.join(" ")}${bar}${harmless(line, style)}`;
}

/** One line of JSON. */
export function logJson(host: string | null, watcher: string, { pid, stream, time, line }: LogLine): string {
  return JSON.stringify({ host, watcher, pid, stream, time, line });
}

/** What a person has to know about where these lines come from; null: nothing. */
export function sourceNote(
  watcher: string,
  { sources: { stdout, stderr }, untimed, isCut }: LogPast,
  isFollowed: boolean,
): string | null {
  const sources = [stdout, stderr];
  if (!sources.includes("file") && !sources.includes("live")) {
    return `the output of ${watcher} is not captured: set stdout_stream.filename, or stdout_stream.class`;
  }
  if (!sources.includes("file")) {
    return `${watcher} writes to no file: ${isFollowed ? "live lines only" : "there are live lines only, see -f"}`;
  }
  if (isCut) return `older lines of ${watcher} were left out: too many`;
  if (untimed.length === 0) return null;
  const options = untimed.map((stream) => `${stream}_stream.time_format`).join(" and ");
  return `lines of ${watcher} have no time, so --since only leaves out whole files; set ${options}`;
}

export function missedNote(lines: number | null): string {
  if (lines === null) return "some lines were left out";
  return lines === 1 ? "1 line left out" : `${lines} lines left out`;
}

/** `web1, web2 and 3 more: text`. */
export function ofHosts(hosts: readonly (string | null)[], text: string): string {
  const names = hosts.filter((host) => host !== null);
  if (names.length === 0) return text;
  const shown = names.slice(0, 3);
  const more = names.length - shown.length;
  return `${shown.join(", ")}${more === 0 ? "" : ` and ${more} more`}: ${text}`;
}
