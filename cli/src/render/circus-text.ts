/** What `circusctl` prints for each reply, to the byte (reference §5.6). Pure. */
import { isObject, type Json, type JsonObject } from "./json.ts";
import { pythonStr } from "./python-text.ts";

/** Without the last line feed. */
export interface CircusText {
  readonly text: string;
  /** Goes to stderr, exit 3. */
  readonly isError: boolean;
}

const EMPTY: JsonObject = new Map();
const SINGLETON = "This watcher is a Singleton - not changing the number of processes";

function member(object: JsonObject, name: string): Json {
  return object.get(name) ?? null;
}

function objectOf(value: Json): JsonObject {
  return isObject(value) ? value : EMPTY;
}

function listOf(value: Json): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}

function optionText(name: string, value: Json): string {
  if (name === "env" && isObject(value)) {
    return [...value]
      .map(([key, text]) => `${key}=${pythonStr(text)}`)
      .sort()
      .join(",");
  }
  return value === null ? "" : pythonStr(value);
}

function optionLines(reply: JsonObject): string {
  return [...objectOf(member(reply, "options"))]
    .map(([name, value]) => `${name}: ${optionText(name, value)}`)
    .join("\n");
}

const FIELDS = ["username", "nice", "mem_info1", "mem_info2", "cpu", "mem", "ctime"] as const;

function infoLine(info: JsonObject): string {
  const rest = ["cmdline", ...FIELDS].map((field) => pythonStr(member(info, field)));
  return `${pythonStr(member(info, "pid"))}  ${rest.join(" ")}`;
}

function childLines(info: JsonObject, indent: string): string[] {
  return listOf(member(info, "children")).map((child) => indent + infoLine(objectOf(child)));
}

/** A record, or the text that stands for a process that has vanished. */
function processText(info: Json): string {
  return isObject(info) ? [infoLine(info), ...childLines(info, "   ")].join("\n") : pythonStr(info);
}

function watcherLines(name: string, processes: Json): string[] {
  return [`${name}:`, ...[...objectOf(processes)].map(([pid, info]) => `${pid}: ${processText(info)}`)];
}

function statsText(reply: JsonObject): string {
  const name = reply.get("name");
  if (name !== undefined) return watcherLines(pythonStr(name), member(reply, "info")).join("\n");
  const infos = reply.get("infos");
  if (isObject(infos)) return [...infos].flatMap(([watcher, processes]) => watcherLines(watcher, processes)).join("\n");
  return `${pythonStr(member(reply, "process"))}: ${processText(member(reply, "info"))}\n`;
}

function daemonText(info: JsonObject): string {
  const children = childLines(info, "    ");
  return ["Main Process:", `    ${infoLine(info)}`, ...(children.length > 0 ? ["Children:", ...children] : [])].join(
    "\n",
  );
}

function socketText(socket: JsonObject): string {
  const part = (name: string): string => pythonStr(member(socket, name));
  const where = socket.has("path") ? part("path") : `${part("host")}:${part("port")}`;
  return `${part("fd")}:socket '${part("name")}' at ${where}`;
}

function statusLines(statuses: JsonObject): string {
  return [...statuses.keys()]
    .sort()
    .map((name) => `${name}: ${pythonStr(member(statuses, name))}`)
    .join("\n");
}

function okText(command: string, reply: JsonObject): string {
  switch (command) {
    case "list":
      return listOf(reply.get("pids") ?? member(reply, "watchers"))
        .map(pythonStr)
        .join(",");
    case "status": {
      const statuses = reply.get("statuses");
      return isObject(statuses) ? statusLines(statuses) : pythonStr(member(reply, "status"));
    }
    case "numprocesses":
    case "numwatchers":
      return pythonStr(member(reply, command));
    case "incr":
    case "decr":
      return reply.has("singleton") ? SINGLETON : pythonStr(reply.get("numprocesses") ?? "ok");
    case "get":
    case "options":
    case "globaloptions":
      return optionLines(reply);
    case "stats":
      return statsText(reply);
    case "dstats":
      return daemonText(objectOf(member(reply, "info")));
    case "listsockets":
      return listOf(member(reply, "sockets"))
        .map((socket) => socketText(objectOf(socket)))
        .join("\n");
    // Odd, but it is how Circus says it: on stdout, with exit code 0.
    case "ipython":
      return member(reply, "shell") === false ? "error: Could not start ipython kernel" : "";
    default:
      return "ok";
  }
}

/** @param command as in the table, lower case. */
export function circusText(command: string, reply: JsonObject): CircusText {
  if (reply.get("status") !== "error") return { text: okText(command, reply), isError: false };
  const reason = pythonStr(member(reply, "reason"));
  // Odd, but scripts may rely on it (reference §5.6, "list NAME and status NAME").
  if (command === "status") return { text: "error", isError: true };
  return { text: command === "globaloptions" ? reason : `error: ${reason}`, isError: true };
}
