/**
 * One lock in a key-value bucket: a record that its holder writes again before the bucket forgets it. Plain
 * JetStream requests, so that a controller needs the rights of {@link lockPermissions} and no others.
 */
import { type NatsConnection, RetentionPolicy, StorageType } from "nats";
import { LOCK_KEY, LOCK_STREAM } from "../roles.ts";
import type { Millis } from "../time.ts";
import { errCode, fail, NS_PER_MS, STREAM_NAME_IN_USE, STREAM_NOT_FOUND } from "./jetstream.ts";
import type { Lock, LockEntry } from "./types.ts";
import { jsonOf, toBytes } from "./wire.ts";

const NO_MESSAGE = 10_037;
const WRONG_LAST_SEQUENCE = 10_071;
const VALUE_MAX = 1024;

/** @throws Error with the server's words. */
export async function openLock(nc: NatsConnection, ttlMs: Millis, timeoutMs: Millis): Promise<Lock> {
  // Without the API check: nobody of this account may ask for it.
  const jsm = await nc.jetstreamManager({ checkAPI: false, timeout: timeoutMs });
  const js = nc.jetstream({ timeout: timeoutMs });
  const failed = (error: unknown): Error => fail("the lock", error);
  const created = async (): Promise<number | null> => {
    try {
      return Date.parse((await jsm.streams.info(LOCK_STREAM)).created);
    } catch (error) {
      if (errCode(error) === STREAM_NOT_FOUND) return null;
      throw failed(error);
    }
  };
  const make = async (): Promise<void> => {
    try {
      await jsm.streams.add({
        name: LOCK_STREAM,
        subjects: [LOCK_KEY],
        storage: StorageType.File,
        retention: RetentionPolicy.Limits,
        max_msgs_per_subject: 1,
        max_msg_size: VALUE_MAX,
        max_age: ttlMs * NS_PER_MS,
        duplicate_window: ttlMs * NS_PER_MS,
        deny_delete: true,
        deny_purge: true,
      });
    } catch (error) {
      // Another controller was faster.
      if (errCode(error) !== STREAM_NAME_IN_USE) throw failed(error);
    }
  };
  let bucket = await created();
  if (bucket === null) {
    await make();
    bucket = await created();
  }
  if (bucket === null) throw new Error("the lock: its bucket is gone");
  return {
    bucket,
    read: async (): Promise<LockEntry | null> => {
      try {
        const message = await jsm.streams.getMessage(LOCK_STREAM, { last_by_subj: LOCK_KEY });
        return { revision: message.seq, value: jsonOf(message.data) };
      } catch (error) {
        if (errCode(error) === NO_MESSAGE) return null;
        throw failed(error);
      }
    },
    write: async (value, revision): Promise<number | null> => {
      try {
        return (await js.publish(LOCK_KEY, toBytes(value), { expect: { lastSubjectSequence: revision } })).seq;
      } catch (error) {
        if (errCode(error) === WRONG_LAST_SEQUENCE) return null;
        throw failed(error);
      }
    },
  };
}
