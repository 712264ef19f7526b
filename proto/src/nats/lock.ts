/**
 * One lock in a key-value bucket: a record that its holder writes again before the bucket forgets it. Plain
 * JetStream requests, so that a controller needs the rights of {@link lockPermissions} and no others.
 *
 * Nothing asks the server by subject, nor makes it count by subject: before 2.9.15 that count could go wrong (its pull
 * request 3900), and then each record was gone as soon as it was written.
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
export async function openLock(nc: NatsConnection, ttlMs: Millis, timeoutMs: Millis, replicas: number): Promise<Lock> {
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
        num_replicas: replicas,
        storage: StorageType.File,
        retention: RetentionPolicy.Limits,
        max_msgs: 1,
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
  /** What was written last, and whether it was there still when we looked. */
  let last = 0;
  let isThere = false;
  /** Undefined: it is another one by now. */
  const lookOnce = async (): Promise<LockEntry | null | undefined> => {
    const { state } = await jsm.streams.info(LOCK_STREAM);
    const isMoved = state.last_seq !== last;
    last = state.last_seq;
    isThere = false;
    if (state.messages === 0) return null;
    try {
      const message = await jsm.streams.getMessage(LOCK_STREAM, { seq: last });
      isThere = true;
      return { revision: last, value: jsonOf(message.data) };
    } catch (error) {
      if (errCode(error) !== NO_MESSAGE) throw error;
      return isMoved ? undefined : null;
    }
  };
  return {
    bucket,
    read: async (): Promise<LockEntry | null> => {
      try {
        for (;;) {
          const entry = await lookOnce();
          if (entry !== undefined) return entry;
        }
      } catch (error) {
        throw failed(error);
      }
    },
    write: async (value, revision): Promise<number | null> => {
      // What there is, is to be named: the server is asked for the last number alone, which we know of it.
      if (revision === 0 && isThere) return null;
      try {
        const expect = { lastSequence: revision === 0 ? last : revision };
        last = (await js.publish(LOCK_KEY, toBytes(value), { expect })).seq;
        isThere = true;
        return last;
      } catch (error) {
        if (errCode(error) === WRONG_LAST_SEQUENCE) return null;
        throw failed(error);
      }
    },
  };
}
