/** Verbs about who belongs to a fleet. They need files, no connection: a bundle of its own, loaded by need. */
import { EXIT } from "@circus-cluster/proto";
import type { Request } from "../argv.ts";
import { FleetError } from "../fleet/error.ts";
import type { Io } from "../io.ts";
import { assignWords } from "../properties.ts";
import type { Settings } from "../settings.ts";
import type { Verb } from "../verbs.ts";
import { init } from "./init.ts";
import { issue } from "./issue.ts";
import { revoke } from "./revoke.ts";
import { show } from "./show.ts";

const WORK: Readonly<Record<string, (request: Request, settings: Settings, io: Io) => Promise<number>>> = {
  "fleet init": init,
  "fleet issue": issue,
  "fleet revoke": revoke,
  "fleet show": show,
};

/** @returns the exit code. @throws UsageError, or what `assignWords` throws. */
export async function runCredentials(verb: Verb, request: Request, settings: Settings, io: Io): Promise<number> {
  const work = WORK[request.verb];
  if (work === undefined) throw new Error(`no such verb: ${request.verb}`);
  assignWords(verb, request.words);
  try {
    return await work(request, settings, io);
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    io.err(`${error.exit === EXIT.refused ? "error" : "circusctl"}: ${error.message}\n`);
    return error.exit;
  }
}
