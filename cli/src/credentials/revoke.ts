/** `circusctl fleet revoke NAME`: from now on the broker does not know this credential; who uses it is cut at once. */
import { EXIT, nearest } from "@circus-cluster/proto";
import type { Request } from "../argv.ts";
import { FleetError } from "../fleet/error.ts";
import { printDocument, printLines } from "../fleet/output.ts";
import type { Io } from "../io.ts";
import { type Settings, UsageError } from "../settings.ts";
import { commit, locked, readRegistry, reloadServer, reloadText } from "./directory.ts";
import { directoryOf } from "./issue.ts";
import { holder, holds, withoutName } from "./registry.ts";

/** @returns the exit code. @throws UsageError, FleetError. */
export async function revoke(request: Request, settings: Settings, io: Io): Promise<number> {
  const dir = directoryOf(request, "fleet revoke");
  const [...names] = new Set(request.words);
  if (names.length === 0) throw new UsageError("fleet revoke: NAME is missing");
  await locked(dir, () => {
    let registry = readRegistry(dir);
    for (const name of names) {
      if (holder(registry, name) === null) {
        const near = nearest(
          name,
          registry.members.filter(holds).map((member) => member.name),
        );
        const hint = near === null ? "" : `; did you mean ${near}?`;
        throw new FleetError(EXIT.refused, `nobody called ${name} has a credential${hint}`);
      }
      registry = withoutName(registry, name, io.now());
    }
    commit(dir, registry, []);
    return Promise.resolve();
  });
  const told = reloadServer(dir);
  if (settings.json) printDocument({ io, settings }, { revoked: names, reloaded: told });
  else printLines(io, [...names.map((name) => `revoked ${name}`), reloadText(dir, told)]);
  return EXIT.ok;
}
