/** Every verb that concerns the fleet: chooses who does it, connects, turns failures into one line and an exit code. */
import { EXIT } from "@circus-cluster/proto";
import type { Request } from "../argv.ts";
import { FleetClient } from "../clients/fleet.ts";
import type { Io } from "../io.ts";
import { assignWords, propertiesOf } from "../properties.ts";
import { type Settings, UsageError } from "../settings.ts";
import type { Verb } from "../verbs.ts";
import { configDiff, configHistory, configPush, configRollback, configShow } from "./config.ts";
import type { FleetContext } from "./context.ts";
import { FleetError } from "./error.ts";
import { events } from "./events.ts";
import { history } from "./history.ts";
import { hosts } from "./hosts.ts";
import { logs } from "./logs.ts";
import { read } from "./read.ts";
import {
  rolloutAbort,
  rolloutList,
  rolloutPause,
  rolloutResume,
  rolloutRetry,
  rolloutShow,
  rolloutWatch,
} from "./rollout.ts";
import { changeMany, checkChange } from "./rollout-change.ts";
import { status } from "./status.ts";
import { top } from "./top.ts";
import { uptime } from "./uptime.ts";
import { usage } from "./usage.ts";

type Work = (context: FleetContext) => Promise<number>;

const OWN: Readonly<Record<string, Work>> = {
  hosts,
  history,
  events,
  uptime,
  usage,
  logs,
  top,
  "config diff": configDiff,
  "config push": configPush,
  "config rollback": configRollback,
  "config show": configShow,
  "config history": configHistory,
  "rollout list": rolloutList,
  "rollout show": rolloutShow,
  "rollout watch": rolloutWatch,
  "rollout pause": rolloutPause,
  "rollout resume": rolloutResume,
  "rollout abort": rolloutAbort,
  "rollout retry": rolloutRetry,
  status,
};

function workOf(verb: Verb): Work {
  const own = OWN[verb.name];
  if (own !== undefined) return own;
  if (verb.command?.doors.includes("nats") !== true) {
    throw new UsageError(`${verb.name} works on the local agent only: without --all, --host and --where`);
  }
  return verb.command.access === "read" ? read : changeMany;
}

/** @returns the exit code. @throws UsageError, or what `propertiesOf` throws. */
export async function runFleet(verb: Verb, request: Request, settings: Settings, io: Io): Promise<number> {
  try {
    const work = workOf(verb);
    // Mistakes come before the connection.
    if (verb.command === null) assignWords(verb, request.words);
    else propertiesOf(verb, verb.command, request);
    if (work === changeMany) checkChange({ verb, request, settings, io });
    const client = await FleetClient.open(settings);
    try {
      return await work({ verb, request, settings, io, client });
    } finally {
      await client.close();
    }
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    io.err(`${error.exit === EXIT.refused ? "error" : "circusctl"}: ${error.message}\n`);
    return error.exit;
  }
}
