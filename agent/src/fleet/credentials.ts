/** The files that the fleet's door needs, looked at with the rest of the configuration. Without the NATS client. */
import { reasonOf } from "@circus-cluster/proto";
import { type Credentials, readCredentials, readTls } from "@circus-cluster/proto/credentials";
import type { FleetConfig } from "../config/types.ts";

/** The credentials of the configuration, checked against it. @throws Error with one line. */
export function agentCredentials(config: FleetConfig): Credentials | null {
  if (config.credentials === null) return null;
  const credentials = readCredentials(config.credentials);
  const { fleet, role, name } = credentials;
  if (fleet !== config.fleet || role !== "agent" || name !== config.host) {
    throw new Error(
      `credentials ${config.credentials}: they are of the ${role} ${name} of fleet ${fleet}, ` +
        `not of the agent ${config.host} of fleet ${config.fleet}`,
    );
  }
  return credentials;
}

interface FileProblem {
  /** Of `[fleet]`. */
  readonly key: "credentials" | "tls_ca" | "tls_cert" | "tls_key";
  /** One line. */
  readonly problem: string;
}

/** What is wrong with the files that `[fleet]` names. */
export function fleetFileProblems(config: FleetConfig): readonly FileProblem[] {
  const { tlsCa, tlsCert, tlsKey } = config;
  const nothing = { ca: null, cert: null, key: null };
  return [
    ...problemOf("credentials", () => agentCredentials(config)),
    ...problemOf("tls_ca", () => readTls({ ...nothing, ca: tlsCa })),
    ...problemOf("tls_cert", () => readTls({ ...nothing, cert: tlsCert })),
    ...problemOf("tls_key", () => readTls({ ...nothing, key: tlsKey })),
  ];
}

function problemOf(key: FileProblem["key"], read: () => unknown): FileProblem[] {
  try {
    read();
    return [];
  } catch (error) {
    return [{ key, problem: reasonOf(error) }];
  }
}
