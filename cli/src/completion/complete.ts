/** The words that may stand at the cursor, those of the running agent among them. */
import type { askAgent } from "../clients/zmq.ts";
import type { Io } from "../io.ts";
import { isUsageError, settingsOf } from "../settings.ts";
import { type Candidate, type Live, type Wanted, wantedAt } from "./wanted.ts";

export type Ask = typeof askAgent;

/** Somebody waits with a finger on the key. */
const ASK_MS = 1000;

type Reply = Readonly<Record<string, unknown>>;

function keysOf(value: unknown): readonly string[] {
  return typeof value === "object" && value !== null ? Object.keys(value) : [];
}

function candidatesOf(wanted: Live, reply: Reply): readonly Candidate[] {
  switch (wanted.kind) {
    case "watchers":
      return Object.entries((reply["statuses"] ?? {}) as Readonly<Record<string, unknown>>).map(([word, status]) => ({
        word,
        doc: String(status),
      }));
    case "pids":
      return (Array.isArray(reply["pids"]) ? reply["pids"] : []).map((pid) => ({ word: String(pid), doc: "pid" }));
    case "keys":
      return keysOf(reply["options"]).map((word) => ({ word, doc: "" }));
    default:
      return wanted satisfies never;
  }
}

const QUESTIONS: Readonly<Record<Live["kind"], string>> = { watchers: "status", pids: "list", keys: "options" };

async function live(wanted: Live, { options }: Wanted, env: Io["env"], ask: Ask): Promise<readonly Candidate[]> {
  try {
    const { endpoint, ssh } = settingsOf({ options }, env);
    if (ssh !== null) return []; // a tunnel for each key pressed is too much
    const properties = wanted.kind === "watchers" ? {} : { name: wanted.watcher };
    const result = await ask({ endpoint, command: QUESTIONS[wanted.kind], properties, timeoutMs: ASK_MS });
    return result.kind === "reply" ? candidatesOf(wanted, JSON.parse(result.text) as Reply) : [];
  } catch (error) {
    if (isUsageError(error)) return []; // the line's mistake is told when it is run
    throw error;
  }
}

export interface Completion {
  readonly candidates: readonly Candidate[];
  readonly isFile: boolean;
}

/** @param line as for `wantedAt`; candidates begin with its last word, in any case. */
export async function complete(line: readonly string[], env: Io["env"], ask: Ask): Promise<Completion> {
  const wanted = wantedAt(line);
  const begun = (line.at(-1) ?? "").toLowerCase();
  const found = await Promise.all(wanted.live.map((one) => live(one, wanted, env, ask)));
  const candidates = [...wanted.candidates, ...found.flat()];
  return { candidates: candidates.filter(({ word }) => word.toLowerCase().startsWith(begun)), isFile: wanted.isFile };
}
