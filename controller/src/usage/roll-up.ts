/**
 * Fine buckets → coarse ones, and what is dropped. In small steps, so that ingest and questions come in between; each
 * coarse bucket is made of stored finer ones alone, so that a killed controller makes it after its next start.
 */
import type { Millis } from "@circus-cluster/proto";
import type { Database } from "better-sqlite3";
import { readMeta, writeMeta } from "../store/database.ts";
import { type Cell, type FleetCell, fleetOverTime, join, overTime } from "./cell.ts";
import type { Bucket, FleetCells } from "./open.ts";
import type { UsageStore } from "./store.ts";
import { TIERS } from "./tiers.ts";

/** Written in one transaction, which takes some milliseconds. */
const STEP_HOSTS = 500;

/** Up to where (ms) a tier is whole; 0: nothing of it is there yet. The finest tier is what is in memory before that. */
export function wholeTo(db: Database, tier: number): Millis {
  return Number(readMeta(db, `whole_to_${tier}`) ?? 0);
}

/** A bucket with the sums of the fleet. One step for each `next()`. */
export function* writeBucket(
  store: UsageStore,
  tier: number,
  startMs: Millis,
  bucket: Bucket,
  fleet: FleetCells,
): Generator<void> {
  const hosts = [...bucket];
  for (let at = 0; at < hosts.length; at += STEP_HOSTS) {
    store.atOnce(() => {
      for (const [host, cells] of hosts.slice(at, at + STEP_HOSTS)) store.write(tier, startMs, host, cells);
    });
    yield;
  }
  store.atOnce(() => store.writeFleet(tier, startMs, fleet));
  yield;
}

/** Makes every coarse bucket whose time is over. @param fineToMs the finest tier is whole up to then */
export function* rollUp(store: UsageStore, fineToMs: Millis): Generator<void> {
  if (fineToMs !== wholeTo(store.db, 0)) writeMeta(store.db, "whole_to_0", fineToMs);
  for (const [tier, { bucketMs }] of TIERS.entries()) {
    if (tier === 0) continue;
    const untilMs = Math.floor(wholeTo(store.db, tier - 1) / bucketMs) * bucketMs;
    const fine = store.starts(tier - 1, wholeTo(store.db, tier), untilMs);
    for (const startMs of new Set(fine.map((ms) => Math.floor(ms / bucketMs) * bucketMs))) {
      const parts = fine.filter((ms) => ms >= startMs && ms < startMs + bucketMs);
      yield* rollOne(store, tier, startMs, parts);
      writeMeta(store.db, `whole_to_${tier}`, startMs + bucketMs);
    }
    // Back, too, where the clock was set back: what comes is made once more then.
    if (untilMs !== wholeTo(store.db, tier)) writeMeta(store.db, `whole_to_${tier}`, untilMs);
  }
}

function* rollOne(store: UsageStore, tier: number, startMs: Millis, parts: readonly Millis[]): Generator<void> {
  const bucket = new Map<string, Map<string, Cell>>();
  const fleet = new Map<string, FleetCell>();
  for (const part of parts) {
    for (const [host, cells] of store.bucket(tier - 1, part)) {
      const known = bucket.get(host) ?? new Map<string, Cell>();
      bucket.set(host, known);
      for (const [watcher, cell] of cells) join(known, watcher, cell, overTime);
    }
    for (const [watcher, cell] of store.fleet(tier - 1, part)) join(fleet, watcher, cell, fleetOverTime);
    yield;
  }
  yield* writeBucket(store, tier, startMs, bucket, fleet);
}

/** Drops what is older than its tier keeps. @param keepMs of history; null: for ever. @returns buckets dropped */
export function* pruneUsage(store: UsageStore, keepMs: Millis | null, nowMs: Millis): Generator<void, number> {
  let dropped = 0;
  for (const [tier, own] of TIERS.entries()) {
    const ageMs = Math.min(own.keepMs ?? Number.POSITIVE_INFINITY, keepMs ?? Number.POSITIVE_INFINITY);
    // What no coarser tier has yet stays, as long as history does.
    const isLast = tier === TIERS.length - 1;
    const rolledMs = isLast ? Number.POSITIVE_INFINITY : wholeTo(store.db, tier + 1);
    const beforeMs = Math.max(Math.min(nowMs - ageMs, rolledMs), nowMs - (keepMs ?? Number.POSITIVE_INFINITY));
    for (const startMs of store.starts(tier, 0, Math.max(0, beforeMs))) {
      store.atOnce(() => store.drop(tier, startMs));
      dropped++;
      yield;
    }
  }
  return dropped;
}
