/** The doctor's look at the fleet: the credentials, the broker and its permissions, the controllers and the hosts. */
import {
  EXIT,
  formatDuration,
  type Permissions,
  permissionsOf,
  reasonOf,
  Subjects,
  VERSION,
} from "@circus-cluster/proto";
import { type CertificateState, certificateStates, readTls } from "@circus-cluster/proto/credentials";
import {
  type Credentials,
  connectFleet,
  FleetConnectError,
  type FleetConnection,
  readCredentials,
} from "@circus-cluster/proto/nats";
import { FleetClient } from "../clients/fleet.ts";
import { FleetError } from "../fleet/error.ts";
import type { Settings } from "../settings.ts";
import { type Finding, ok, warning, wrong } from "./finding.ts";
import { clockFinding, controllerFindings, hostFindings, leaderFindings, versionFinding } from "./judge.ts";

/** Questions to find all controllers: the broker gives each to one of them by chance. */
const ASKS = 8;
const SLOW_MS = 500;
/** A refusal arrives before the flush ends; it is told a moment later. */
const REFUSAL_MS = 100;

export async function fleetFindings(settings: Settings, nowMs: number): Promise<readonly Finding[]> {
  const { nats, creds } = settings;
  if (nats.length === 0) {
    return [warning("fleet", "not looked at: no --nats, CIRCUSCTL_NATS or context", "leave it so on a single host")];
  }
  if (creds === null) return [wrong("credentials", "none", "give --creds FILE, set CIRCUSCTL_CREDS, or use a context")];
  let credentials: Credentials;
  try {
    credentials = readCredentials(creds);
  } catch (error) {
    return [wrong("credentials", reasonOf(error), "circusctl fleet issue makes one")];
  }
  const { role, name, fleet } = credentials;
  const own = [
    ok("credentials", `${role} ${name} of fleet ${fleet}`),
    ...certificateFindings(credentials, settings, nowMs),
  ];
  if (role === "agent" || role === "controller") {
    return [...own, wrong("credentials", `${creds} is not of a person`, "use a viewer's or an operator's")];
  }
  return [...own, ...(await brokerFindings(credentials, settings)), ...(await answerFindings(settings))];
}

function certificateFindings(credentials: Credentials, { tls }: Settings, nowMs: number): Finding[] {
  try {
    return certificateStates({ ...credentials.tls, ...readTls(tls) }, nowMs).map(certificateFinding);
  } catch (error) {
    return [wrong("tls", reasonOf(error), "name files that are there, or none")];
  }
}

function certificateFinding(state: CertificateState): Finding {
  const todo = "circusctl fleet issue --replace";
  switch (state.kind) {
    case "unreadable":
      return wrong("tls", `the ${state.what} cannot be read: ${state.reason}`, todo);
    case "ended":
      return wrong("tls", `the ${state.what} ended at ${state.validTo}`, todo);
    case "soon":
      return warning("tls", `the ${state.what} ends in ${formatDuration(state.leftMs)}`, todo);
    case "fine":
      return ok("tls", `the ${state.what} ends at ${state.validTo}`);
    default:
      return state satisfies never;
  }
}

async function brokerFindings(credentials: Credentials, settings: Settings): Promise<readonly Finding[]> {
  const refused = new Set<string>();
  let connection: FleetConnection;
  try {
    connection = await connectFleet({
      servers: settings.nats,
      name: credentials.name,
      credentials,
      tls: settings.tls,
      mode: "once",
      timeoutMs: settings.timeoutMs,
      onStatus: (status) => {
        if (status.kind === "forbidden") refused.add(status.subject);
      },
    });
  } catch (error) {
    const isForbidden = error instanceof FleetConnectError && error.code === "forbidden";
    const advice = isForbidden
      ? "the nats-server does not know this key: has it read its configuration since (SIGHUP)? Was it revoked?"
      : "is nats-server running there, and does a firewall let us through?";
    return [wrong("nats", reasonOf(error), advice)];
  }
  try {
    const beganMs = performance.now();
    if (!(await connection.flush(settings.timeoutMs))) {
      return [wrong("nats", `${connection.server} answers no ping`, "look at the load and the log of nats-server")];
    }
    const tookMs = performance.now() - beganMs;
    const text = `${connection.server}, round trip ${tookMs.toFixed(1)} ms`;
    const trip = tookMs > SLOW_MS ? warning("nats", text, "the way there or the server is slow") : ok("nats", text);
    return [trip, ...(await permissionFindings(connection, credentials, refused, settings.timeoutMs))];
  } finally {
    await connection.close(200);
  }
}

/** Subscribes to what the role may hear and to one thing that it may not: the broker's own word. */
async function permissionFindings(
  connection: FleetConnection,
  { fleet, role, name }: Credentials,
  refused: ReadonlySet<string>,
  timeoutMs: number,
): Promise<readonly Finding[]> {
  const allowed: Permissions = permissionsOf(fleet, { role, name });
  const secret = `${new Subjects(fleet).root}.cmd.>`;
  for (const subject of [...allowed.subscribe, secret]) connection.subscribe(subject, () => undefined);
  await connection.flush(timeoutMs);
  await new Promise((resolve) => setTimeout(resolve, REFUSAL_MS));
  const missing = allowed.subscribe.filter((subject) => refused.has(subject));
  const who = role === "operator" ? "an operator" : `a ${role}`;
  return [
    missing.length > 0
      ? wrong(
          "permissions",
          `${who} may hear ${missing.join(", ")}, but the broker refuses`,
          "write its configuration anew (circusctl fleet show mends it) and let nats-server read it",
        )
      : ok("permissions", `what ${who} may hear is granted`),
    refused.has(secret)
      ? ok("permissions", "what only others may hear is refused")
      : wrong(
          "permissions",
          "everybody may hear commands: the broker knows no roles",
          "run nats-server with the configuration that circusctl fleet init writes",
        ),
  ];
}

async function answerFindings(settings: Settings): Promise<readonly Finding[]> {
  let client: FleetClient;
  try {
    client = await FleetClient.open(settings);
  } catch {
    return []; // told already
  }
  try {
    const beganMs = performance.now();
    const first = await client.query("doctor", {});
    const tripMs = performance.now() - beganMs;
    const skewMs = first.time + tripMs / 2 - Date.now();
    const rest = await Promise.all(Array.from({ length: ASKS - 1 }, () => client.query("doctor", {})));
    const controllers = new Map([first, ...rest].map((answer) => [answer.controller, answer.result]));
    const { result } = await client.query("hosts", { hosts: null });
    return [
      ok(
        "controllers",
        `${[...controllers.keys()].sort().join(", ")} ${controllers.size === 1 ? "answers" : "answer"}`,
      ),
      ...leaderFindings(controllers),
      ...[...controllers].flatMap(([name, health]) => [
        versionFinding("controllers", `controller ${name}`, health.version, VERSION),
        ...controllerFindings(name, health),
      ]),
      clockFinding(skewMs, first.controller),
      ...hostFindings(result.hosts, VERSION),
    ];
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    const isSilent = error.exit === EXIT.unreachable;
    const advice = isSilent
      ? "start circus-controller, or look at its log"
      : "an older controller? Bring it up to date";
    return [wrong("controllers", error.message, advice)];
  } finally {
    await client.close();
  }
}
