/**
 * The one way from a request to its reply, for every door (design §1): looks the verb up in the command table,
 * checks its properties, runs its handler, and records who changed what. Shapes and texts: reference §5.3–§5.6.
 *
 * Invariants: every request gets exactly one reply; an accepted change is recorded before it begins and
 * recorded as done or refused when it ends.
 */
import { randomBytes, randomUUID } from "node:crypto";
import {
  CircusError,
  type CircusReply,
  COMMANDS,
  type CommandSpec,
  checkProperties,
  ERRORS,
  type ErrorCode,
  type EventDraft,
  findCommand,
  invariant,
  isCircusError,
  reasonOf,
} from "@circus-cluster/proto";
import type { Cause } from "../watcher/api.ts";
import type { AgentView, CommandRequest, Dispatch } from "./agent-view.ts";
import { CONFIG_HANDLERS } from "./config.ts";
import { CONFIG_PUSH_HANDLERS } from "./config-push.ts";
import { CONTROL_HANDLERS, type Work } from "./control.ts";
import type { Checked, Fields } from "./properties.ts";
import { pythonRepr } from "./python-text.ts";
import { QUERY_HANDLERS } from "./query.ts";

const CHANGES = { ...CONTROL_HANDLERS, ...CONFIG_HANDLERS, ...CONFIG_PUSH_HANDLERS };

/** Who asked, where the door knows no name: anyone who can reach the local endpoint. */
const LOCAL_ACTOR = "local";

/** Wall ms; a parameter for tests. */
export function createDispatch(agent: AgentView, wall: () => number = Date.now): Dispatch {
  for (const { name, access } of COMMANDS.values()) {
    invariant(Object.hasOwn(access === "read" ? QUERY_HANDLERS : CHANGES, name), `${name} has a handler`);
  }
  const ok = (fields: Fields): CircusReply => ({ status: "ok", time: wall() / 1000, ...fields });
  const failed = (error: unknown, request: CommandRequest): CircusReply => {
    const { code, reason } = failureOf(error, agent, request);
    return errorReply(code, reason, wall());
  };

  return async (request) => {
    try {
      const spec = findCommand(request.command);
      if (spec?.doors.includes(request.door) !== true) {
        throw new CircusError("command-unknown", `unknown command: ${pythonRepr(request.command)}`);
      }
      if (spec.access === "write") return await change(agent, spec, request, ok, failed);
      return ok((await QUERY_HANDLERS[spec.name]?.(agent, propertiesOf(spec, request))) ?? {});
    } catch (error) {
      return failed(error, request);
    }
  };
}

/** A reply that says why not; `tb` is always null: tracebacks go to the log (D14). */
export function errorReply(code: ErrorCode, reason: string, wallMs: number): CircusReply {
  return { status: "error", reason, tb: null, time: wallMs / 1000, errno: ERRORS[code].errno };
}

async function change(
  agent: AgentView,
  spec: CommandSpec,
  request: CommandRequest,
  ok: (fields: Fields) => CircusReply,
  failed: (error: unknown, request: CommandRequest) => CircusReply,
): Promise<CircusReply> {
  const cause: Cause = { actor: request.actor ?? LOCAL_ACTOR, command: request.commandId ?? `local/${randomUUID()}` };
  let watcher: string | null = null;
  const record = (kind: EventDraft["kind"], data: Fields): void => {
    const draft = { kind, watcher, actor: cause.actor ?? undefined, cause: cause.command ?? undefined };
    agent.bus.emit({ ...draft, data: { command: spec.name, ...data } });
  };
  const refused = (error: unknown): CircusReply => {
    const reply = failed(error, request);
    record("command_refused", { reason: reply["reason"], errno: reply["errno"] });
    return reply;
  };

  let work: Work;
  let properties: Checked;
  try {
    properties = propertiesOf(spec, request);
    const handler = CHANGES[spec.name];
    invariant(handler !== undefined, `${spec.name} has a handler`);
    work = handler(agent, properties);
  } catch (error) {
    return refused(error);
  }
  watcher = work.watcher;
  record("command_accepted", { properties: masked(spec, properties), door: request.door });
  const end = run(work, cause).then(
    (fields) => {
      record("command_done", {});
      return ok(fields);
    },
    (error: unknown) => refused(work.isQuick ? error : lateFailure(error)),
  );
  if (work.isQuick || properties["waiting"] === true) return await end;
  void end.then((reply) => {
    if (reply.status === "error") {
      agent.log.warning("command failed", { command: spec.name, watcher, reason: reply["reason"] });
    }
  });
  return ok({});
}

/** Turns what a handler throws before it awaits into a rejection. */
async function run(work: Work, cause: Cause): Promise<Fields> {
  return await work.run(cause);
}

/** A waited command that fails has errno 6 (reference §5.3), unless it was refused for another one. */
function lateFailure(error: unknown): unknown {
  if (!isCircusError(error) || error.code === "conflict" || error.code === "failed") return error;
  return new CircusError("failed", error.message, { cause: error });
}

function propertiesOf(spec: CommandSpec, { properties }: CommandRequest): Checked {
  if (properties === undefined || properties === null) return checkProperties(spec, {});
  if (typeof properties !== "object" || Array.isArray(properties)) {
    throw new CircusError("message", "'properties' isn't a valid object");
  }
  return checkProperties(spec, properties as Fields);
}

function failureOf(
  error: unknown,
  agent: AgentView,
  { command }: CommandRequest,
): { readonly code: ErrorCode; readonly reason: string } {
  if (isCircusError(error)) return { code: error.code, reason: error.message };
  if (error instanceof Error && "syscall" in error) return { code: "os", reason: reasonOf(error) };
  const id = randomBytes(4).toString("hex");
  const stack = error instanceof Error ? error.stack : String(error);
  agent.log.error("internal error", { id, command, stack });
  return { code: "internal", reason: `internal error ${id}: see the agent's log` };
}

/** The properties for the record: values of an environment are secrets (design §7), as are texts that may hold some. */
function masked(spec: CommandSpec, properties: Checked): Checked {
  const { waiting: _waiting, options, ...plain } = properties as Checked & { readonly options?: Fields };
  const entries = Object.entries(plain);
  const rest = Object.fromEntries(
    entries.map(([name, value]) => [name, spec.properties[name]?.isSecret === true ? "***" : value]),
  );
  if (options === undefined) return rest;
  const env = options["env"];
  if (typeof env !== "object" || env === null) return { ...rest, options };
  return { ...rest, options: { ...options, env: Object.fromEntries(Object.keys(env).map((key) => [key, "***"])) } };
}
