/** Streams: made and looked at. Nothing here needs a nats-server newer than 2.9.10 (design §10). */
import {
  DiscardPolicy,
  type JetStreamManager,
  type NatsConnection,
  NatsError,
  RetentionPolicy,
  StorageType,
  type StreamInfo,
} from "nats";
import type { StreamOptions, StreamState } from "./types.ts";
import { checkPattern, wordsOf } from "./wire.ts";

export const API_TIMEOUT_MS = 5000;
const MAX_AGE_MS = 14 * 24 * 3_600_000;
export const NS_PER_MS = 1_000_000;
/** How long the stream forgets no message id: covers what an outbox sends again after a reconnect. */
const DUPLICATE_WINDOW_MS = 120_000;
const ACCOUNT_SHARE = 0.9;
export const STREAM_NOT_FOUND = 10_059;
export const STREAM_NAME_IN_USE = 10_058;

export function errCode(error: unknown): number | undefined {
  return error instanceof NatsError ? error.api_error?.err_code : undefined;
}

export function fail(what: string, error: unknown): Error {
  return new Error(`${what}: ${wordsOf(error)}`, { cause: error });
}

export function manager(nc: NatsConnection): Promise<JetStreamManager> {
  // Without the API check: only controllers may ask for it, and it would double every start.
  return nc.jetstreamManager({ checkAPI: false, timeout: API_TIMEOUT_MS });
}

function stateOf(info: StreamInfo): StreamState {
  const { first_seq, last_seq, messages, bytes } = info.state;
  return { created: Date.parse(info.created), firstSeq: first_seq, lastSeq: last_seq, messages, bytes };
}

async function infoOf(jsm: JetStreamManager, name: string): Promise<StreamInfo | null> {
  try {
    return await jsm.streams.info(name);
  } catch (error) {
    if (errCode(error) === STREAM_NOT_FOUND) return null;
    throw fail(`stream ${name}`, error);
  }
}

export async function streamInfo(nc: NatsConnection, name: string): Promise<StreamState | null> {
  const info = await infoOf(await manager(nc), name);
  return info === null ? null : stateOf(info);
}

/** Bytes that the stream may take where nobody says: see `StreamOptions.maxBytes`. All copies count for the account. */
async function accountShare(jsm: JetStreamManager, replicas: number): Promise<number> {
  try {
    const limit = (await jsm.getAccountInfo()).limits.max_storage;
    return limit > 0 ? Math.floor((limit * ACCOUNT_SHARE) / replicas) : -1;
  } catch (error) {
    throw fail("JetStream", error);
  }
}

export async function ensureStream(nc: NatsConnection, options: StreamOptions): Promise<StreamState> {
  const subjects = options.subjects.map(checkPattern);
  const jsm = await manager(nc);
  const present = await infoOf(jsm, options.name);
  const replicas = options.replicas ?? present?.config.num_replicas ?? 1;
  const wanted = {
    subjects,
    max_age: (options.maxAgeMs ?? MAX_AGE_MS) * NS_PER_MS,
    max_bytes: options.maxBytes ?? (await accountShare(jsm, replicas)),
    num_replicas: replicas,
  };
  if (present === null) {
    try {
      const made = await jsm.streams.add({
        ...wanted,
        name: options.name,
        storage: StorageType.File,
        retention: RetentionPolicy.Limits,
        discard: DiscardPolicy.Old,
        duplicate_window: DUPLICATE_WINDOW_MS * NS_PER_MS,
        // A PubAck that an agent has reflected into the API must not be able to empty it (fleet-protocol §0.2).
        deny_delete: true,
        deny_purge: true,
        allow_rollup_hdrs: false,
      });
      return stateOf(made);
    } catch (error) {
      // Another controller was faster, with other limits.
      if (errCode(error) !== STREAM_NAME_IN_USE) throw fail(`stream ${options.name} cannot be made`, error);
    }
  }
  const config = (present ?? (await infoOf(jsm, options.name)))?.config;
  const isSame =
    config?.max_age === wanted.max_age &&
    config.max_bytes === wanted.max_bytes &&
    config.num_replicas === replicas &&
    config.subjects.join(" ") === subjects.join(" ");
  try {
    const state = isSame ? await jsm.streams.info(options.name) : await jsm.streams.update(options.name, wanted);
    return stateOf(state);
  } catch (error) {
    throw fail(`stream ${options.name} cannot be changed`, error);
  }
}
