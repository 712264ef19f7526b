/** `circusctl doctor`: is all well, and what is to be done? A bundle of its own, loaded by need. */
import { EXIT } from "@circus-cluster/proto";
import { printDocument, printLines } from "../fleet/output.ts";
import { hasColour, type Io } from "../io.ts";
import type { Settings } from "../settings.ts";
import { findingLines } from "./finding.ts";
import { fleetFindings } from "./fleet.ts";
import { localFindings } from "./local.ts";

/** With a scope (`--all`) it looks at the fleet alone. @returns the exit code: 4 where something is wrong. */
export async function runDoctor(settings: Settings, io: Io): Promise<number> {
  const local = settings.scope === null ? await localFindings(settings) : [];
  const findings = [...local, ...(await fleetFindings(settings, io.now()))];
  const isWell = findings.every(({ state }) => state !== "wrong");
  if (settings.json) printDocument({ io, settings }, { ok: isWell, checks: findings });
  else printLines(io, findingLines(findings, hasColour(io)));
  return isWell ? EXIT.ok : EXIT.partial;
}
