/** `circus-controller check`: settings, credentials and databases. Nothing has to run, and nothing is changed. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { formatBytes, formatDuration, reasonOf } from "@circus-cluster/proto";
import { type CertificateState, certificateStates, readTls } from "@circus-cluster/proto/credentials";
import type { Database } from "better-sqlite3";
import type { ControllerConfig, LoadedConfig } from "../config.ts";
import { isInUse } from "../state-dir.ts";
import { readMeta } from "../store/database.ts";
import { DATABASES, damageOf, openForReading, schemaOf } from "../store/files.ts";
import { dayTables } from "../store/queries/days.ts";
import { missingEvents } from "../store/queries/gaps.ts";
import { WAL_MAX_BYTES, walBytes } from "../store/wal.ts";
import { UsageStore } from "../usage/store.ts";
import { TIERS } from "../usage/tiers.ts";

interface Finding {
  readonly check: string;
  readonly state: "ok" | "warning" | "wrong";
  /** One line; where something is amiss, with what to do. */
  readonly text: string;
}

/** Prints one line each, or one document. @returns the exit code: 1 where something is wrong. */
export function report(
  loaded: LoadedConfig,
  { file, json }: { readonly file: string; readonly json: boolean },
  out: (text: string) => void,
): number {
  const findings = findingsOf(loaded, file, Date.now());
  const isWell = findings.every(({ state }) => state !== "wrong");
  if (json) out(`${JSON.stringify({ v: 1, ok: isWell, checks: findings })}\n`);
  else for (const { check, state, text } of findings) out(`${state.padEnd(8)} ${check.padEnd(12)} ${text}\n`);
  return isWell ? 0 : 1;
}

function findingsOf(loaded: LoadedConfig, file: string, nowMs: number): readonly Finding[] {
  if (!loaded.ok) return loaded.problems.map((text) => ({ check: "settings", state: "wrong", text }));
  const { config } = loaded;
  return [
    { check: "settings", state: "ok", text: `${file}: ${config.name} of fleet ${config.fleet}` },
    ...credentialFindings(config, nowMs),
    ...stateDirFindings(config.stateDir),
  ];
}

function credentialFindings(config: ControllerConfig, nowMs: number): Finding[] {
  const { credentials } = config;
  const who: Finding =
    credentials === null
      ? {
          check: "credentials",
          state: "warning",
          text: "none: anybody who reaches NATS may do anything; set 'credentials'",
        }
      : { check: "credentials", state: "ok", text: `${credentials.role} ${credentials.name}` };
  try {
    const texts = { ...credentials?.tls, ...readTls(config.tls) };
    return [who, ...certificateStates(texts, nowMs).map(expiryFinding)];
  } catch (error) {
    return [who, { check: "tls", state: "wrong", text: reasonOf(error) }];
  }
}

function expiryFinding(state: CertificateState): Finding {
  const check = "tls";
  switch (state.kind) {
    case "unreadable":
      return { check, state: "wrong", text: `the ${state.what} cannot be read: ${state.reason}` };
    case "ended":
      return { check, state: "wrong", text: `the ${state.what} ended at ${state.validTo}; issue a new one` };
    case "soon": {
      const text = `the ${state.what} ends at ${state.validTo}, in ${formatDuration(state.leftMs)}; issue a new one`;
      return { check, state: "warning", text };
    }
    case "fine":
      return { check, state: "ok", text: `the ${state.what} ends at ${state.validTo}` };
    default:
      return state satisfies never;
  }
}

function stateDirFindings(dir: string): Finding[] {
  const check = "state_dir";
  try {
    const { mode, uid } = statSync(dir);
    if ((mode & 0o077) !== 0) {
      const bits = (mode & 0o777).toString(8);
      return [{ check, state: "wrong", text: `${dir} is open to others (mode ${bits}); chmod 700 it` }];
    }
    if (uid !== process.getuid?.()) {
      return [{ check, state: "wrong", text: `${dir} belongs to another user; run this as the controller's user` }];
    }
  } catch (error) {
    const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (isMissing) return [{ check, state: "ok", text: `${dir} is not there yet; the controller makes it` }];
    return [{ check, state: "wrong", text: `${dir}: ${reasonOf(error)}` }];
  }
  const text = `${dir}${isInUse(dir) ? ", in use by a running controller" : ", no controller runs on it"}`;
  return [
    { check, state: "ok", text },
    ...DATABASES.map(({ name, steps }) => databaseFinding(dir, name, steps.length)),
  ];
}

/** What to do where one is damaged, and what is worth knowing of it where it is not. */
const KINDS = {
  "events.db": {
    advice: "stop the controller and make it anew: circus-controller rebuild FILE.ini",
    facts: eventFacts,
  },
  "rollouts.db": { advice: "stop the controller and put a backup in its place", facts: rolloutFacts },
  "usage.db": {
    advice: "stop the controller and put a backup in its place, or remove it: usage is kept from then on",
    facts: usageFacts,
  },
} as const;

function databaseFinding(dir: string, check: keyof typeof KINDS, known: number): Finding {
  const { advice, facts: factsOf } = KINDS[check];
  const wrong = (text: string): Finding => ({ check, state: "wrong", text });
  let db: Database | null;
  try {
    db = openForReading(dir, check);
  } catch (error) {
    return wrong(`${reasonOf(error)}; ${advice}`);
  }
  if (db === null) return { check, state: "ok", text: "not there yet; the controller makes it" };
  try {
    const damage = damageOf(db);
    if (damage !== null) return wrong(`damaged: ${damage}; ${advice}`);
    const schema = schemaOf(db);
    if (schema > known) {
      return wrong(`of a newer version of circus-controller (schema ${schema}, known ${known}); install that one`);
    }
    const facts = [
      `schema ${schema}${schema < known ? ` (brought to ${known} at the next start)` : ""}`,
      ...(schema === 0 ? [] : factsOf(db)),
      formatBytes(statSync(join(dir, check)).size),
    ];
    const wal = walBytes(join(dir, check));
    if (wal <= WAL_MAX_BYTES) return { check, state: "ok", text: facts.join(", ") };
    const held = `write-ahead log of ${formatBytes(wal)}: some process reads for long; end it`;
    return { check, state: "warning", text: [...facts, held].join(", ") };
  } catch (error) {
    return wrong(`cannot be read: ${reasonOf(error)}; ${advice}`);
  } finally {
    db.close();
  }
}

function eventFacts(db: Database): string[] {
  const missing = missingEvents(db);
  const days = dayTables(db).length;
  return [
    `position ${Number(readMeta(db, "pos") ?? 0)} of stream ${Number(readMeta(db, "generation") ?? 0)}`,
    `${days} day${days === 1 ? "" : "s"} of events`,
    missing === 0
      ? "no gaps"
      : `${missing} event${missing === 1 ? "" : "s"} missing (gaps; their hosts send again what they kept)`,
  ];
}

function rolloutFacts(db: Database): string[] {
  const count = (where: string): number =>
    db.prepare<[], { n: number }>(`SELECT count(*) AS n FROM rollout ${where}`).get()?.n ?? 0;
  return [`${count("")} rollouts, ${count("WHERE state = 'running'")} running`];
}

function usageFacts(db: Database): string[] {
  const store = new UsageStore(db);
  const [first] = TIERS.flatMap((_, tier) => store.starts(tier, 0, Number.MAX_SAFE_INTEGER).slice(0, 1)).sort(
    (a, b) => a - b,
  );
  return [
    `${store.hostCount} host${store.hostCount === 1 ? "" : "s"}`,
    first === undefined ? "nothing yet" : `since ${new Date(first).toISOString().slice(0, 16)}Z`,
  ];
}
