/** `circusctl fleet show`: who belongs to the fleet, and what a role may do. */
import { existsSync } from "node:fs";
import { EXIT, permissionsOf } from "@circus-cluster/proto";
import type { Request } from "../argv.ts";
import { FleetError } from "../fleet/error.ts";
import { printDocument, printLines, warn } from "../fleet/output.ts";
import { hasColour, type Io } from "../io.ts";
import { table } from "../render/table.ts";
import { localTime } from "../render/time.ts";
import type { Settings } from "../settings.ts";
import { expiryOf } from "./certificates.ts";
import { locked, mendConfig, readRegistry, readText, within } from "./directory.ts";
import { directoryOf } from "./issue.ts";
import { holder, holds, type Member, PLACES, type Registry } from "./registry.ts";

/** @returns the exit code. @throws UsageError, FleetError. */
export async function show(request: Request, settings: Settings, io: Io): Promise<number> {
  const dir = directoryOf(request, "fleet show");
  const registry = readRegistry(dir);
  const [name] = request.words;
  if (name !== undefined) return showOne(registry, name, settings, io);
  if (await locked(dir, () => Promise.resolve(mendConfig(dir, registry)))) {
    warn(
      io,
      `${within(dir)(PLACES.config)} was not what ${PLACES.registry} says, and is now; the server has to read it`,
    );
  }
  const expires = certificateExpiry(dir, registry);
  if (settings.json) {
    const { fleet, listen, tls, members } = registry;
    printDocument({ io, settings }, { fleet, listen, tls: tls.kind, certificate_expires: expires, members });
    return EXIT.ok;
  }
  const columns = [{ title: "ROLE" }, { title: "NAME" }, { title: "KEY" }, { title: "ISSUED" }, { title: "REVOKED" }];
  const rows = [...registry.members]
    .sort(order)
    .map((member) => [
      { text: member.role },
      { text: member.name },
      { text: `${member.publicKey.slice(0, 8)}…`, tone: "dim" as const },
      { text: localTime(member.issued) },
      member.revoked === null ? "" : { text: localTime(member.revoked), tone: "warn" as const },
    ]);
  const authority = expires === null ? "" : `; certificates until ${localTime(expires)}`;
  printLines(io, [
    `fleet ${registry.fleet} on ${registry.listen}, tls: ${registry.tls.kind}${authority}`,
    ...table(columns, rows, hasColour(io)),
  ]);
  return EXIT.ok;
}

function order(a: Member, b: Member): number {
  return a.role.localeCompare(b.role) || a.name.localeCompare(b.name) || a.issued - b.issued;
}

function certificateExpiry(dir: string, { tls }: Registry): number | null {
  const path = within(dir)(PLACES.serverCert);
  return tls.kind === "own" && existsSync(path) ? expiryOf(readText(path, "")) : null;
}

function showOne(registry: Registry, name: string, settings: Settings, io: Io): number {
  const member = holder(registry, name) ?? registry.members.findLast((one) => one.name === name);
  if (member === undefined) throw new FleetError(EXIT.refused, `nobody called ${name} ever had a credential`);
  const permissions = permissionsOf(registry.fleet, member);
  if (settings.json) {
    printDocument({ io, settings }, { member, permissions });
    return EXIT.ok;
  }
  const { publish, subscribe, allowResponses } = permissions;
  const state = holds(member) ? "" : " (revoked: none of this holds)";
  printLines(io, [
    `${member.role} ${member.name}, key ${member.publicKey}${state}`,
    ...publish.map((subject) => `  may publish    ${subject}`),
    ...subscribe.map((subject) => `  may subscribe  ${subject}`),
    ...(allowResponses === null
      ? []
      : [`  may answer     what it was asked, ${allowResponses.max} times within ${allowResponses.expires}`]),
  ]);
  return EXIT.ok;
}
