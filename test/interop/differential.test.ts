/**
 * The differential table: by a Python client on the wire and by `circusctl`, against our agent; with CIRCUS_SRC also
 * against circusd 0.19, and by its own circusctl against both. What differs stands in the table with its reason.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { assertNoLeaks } from "../support/leaks.ts";
import { run as runProgram } from "../support/process.ts";
import { waitFor } from "../support/wait.ts";
import { zmqCall } from "../support/zmq-call.ts";
import { PythonClient } from "./client.ts";
import { normalReply, normalTyped } from "./normal.ts";
import type { Reply, Row, Typed, Until } from "./rows.ts";
import { TABLE } from "./table.ts";
import { BUSY, type Ctl, circusCtl, circusSource, circusWorld, ourCtl, ourWorld, type World } from "./world.ts";

const REPLY_MS = 20_000;
const SILENCE_MS = 500;
const BUSY_TRIES = 100;

afterAll(() => assertNoLeaks());

async function firstPid(world: World, name: string): Promise<number> {
  const { pids } = await zmqCall(world.endpoint, { command: "list", properties: { name } });
  return (pids as number[])[0] ?? 0;
}

/** `$PID(name)` as a number where it is all of the text, else inside it. */
async function filled<T>(world: World, value: T): Promise<T> {
  const text = JSON.stringify(value);
  const name = /\$PID\((\w+)\)/.exec(text)?.[1];
  if (name === undefined) return value;
  const pid = String(await firstPid(world, name));
  return JSON.parse(text.replaceAll(`"$PID(${name})"`, pid).replaceAll(`$PID(${name})`, pid)) as T;
}

async function until(world: World, [command, properties, fields]: Until): Promise<void> {
  await waitFor(
    async () => {
      const reply = await zmqCall(world.endpoint, { command, properties }, 1000);
      expect(reply).toMatchObject(fields);
      return true;
    },
    { what: `${command} to answer ${JSON.stringify(fields)}`, deadlineMs: 40_000, everyMs: 50 },
  );
}

async function asked(world: World, client: PythonClient, row: Row, isSilent: boolean): Promise<Reply | null> {
  const [command, properties] = await filled(world, row.ask ?? ["", undefined]);
  const frames = row.frames ?? [JSON.stringify({ id: "t", command, properties })];
  for (let tries = 0; ; tries++) {
    const answer = await client.step({ raw: frames, wait_ms: isSilent ? SILENCE_MS : REPLY_MS });
    if (answer !== null && (!Array.isArray(answer) || answer.length !== 1)) throw new Error(JSON.stringify(answer));
    const text = answer === null ? null : String(answer[0]);
    if (text === null || !BUSY.test(text) || tries > BUSY_TRIES) return normalReply(text, world.run);
    await sleep(100);
  }
}

async function typed(world: World, ctl: Ctl, row: Row): Promise<Typed> {
  const line = await filled(world, row.line ?? "");
  const args = [...ctl.args, "--timeout", String(REPLY_MS / 1000), ...line.split(" ")];
  const env = { CIRCUSCTL_ENDPOINT: world.endpoint, ...ctl.env };
  for (let tries = 0; ; tries++) {
    const before = world.pids();
    const { stdout, stderr, code } = await runProgram(ctl.program, args, { env });
    const pids = new Set([...before, ...(world.program.isRunning ? world.pids() : [])]);
    if (!BUSY.test(stderr) || tries > BUSY_TRIES) {
      return normalTyped({ out: stdout, err: stderr, code: code ?? -1 }, pids, world.run);
    }
    await sleep(100);
  }
}

/** Which sides are Circus's own: what differs on purpose is expected of them only. */
interface Sides {
  readonly daemon: "ours" | "circus";
  readonly ctl: "ours" | "circus" | null;
}

/** What it may leave. Where one side alone is Circus's, the table does not say which of the two makes a difference. */
function wantedTyped(row: Row, { daemon, ctl }: Sides): readonly Partial<Typed>[] | "any" {
  const ours: Typed = { out: "ok\n", err: "", code: 0, ...row.typed };
  const otherwise = row.circus?.typed;
  if (otherwise === undefined || (daemon === "ours" && ctl === "ours")) return [ours];
  if (otherwise === "any") return "any";
  const isOnlyOut = "out" in otherwise && !("code" in otherwise) && !("err" in otherwise);
  const theirs = { ...otherwise, ...(isOnlyOut ? { err: "", code: 0 } : {}) };
  const { mixed } = row.circus ?? {};
  return daemon === ctl ? [theirs] : [ours, theirs, ...(mixed === undefined ? [] : [mixed])];
}

function title({ ask, frames, line }: Row, isTyped: boolean): string {
  return isTyped ? `circusctl ${line ?? ""}` : frames === undefined ? JSON.stringify(ask) : frames.join(" + ");
}

function table(name: string, sides: Sides, start: () => Promise<World>, ctl: Ctl | null): void {
  describe(name, () => {
    let world: World;
    let client: PythonClient;
    beforeAll(async () => {
      world = await start();
      client = new PythonClient(world);
    });
    afterAll(async () => {
      await client[Symbol.asyncDispose]();
      await world[Symbol.asyncDispose]();
    });
    const isCircus = sides.daemon === "circus";
    for (const row of TABLE) {
      if (ctl === null ? row.ask === undefined && row.frames === undefined : row.line === undefined) continue;
      const isCircusAtAll = isCircus || sides.ctl === "circus";
      if (isCircusAtAll && row.circus?.isHarmful === true) continue;
      it(title(row, ctl !== null), async () => {
        if (ctl === null) {
          const wanted = isCircus && row.circus?.reply !== undefined ? row.circus.reply : (row.reply ?? null);
          const reply = await asked(world, client, row, wanted === null);
          if (wanted !== "any") expect(reply).toEqual(wanted);
        } else {
          const wanted = wantedTyped(row, sides);
          const left = await typed(world, ctl, row);
          if (wanted !== "any") expect(wanted.map((one): unknown => expect.objectContaining(one))).toContainEqual(left);
        }
        if (row.until !== undefined) await until(world, row.until);
      });
    }
    it("`quit` was the last row: it is gone, with exit code 0", async () => {
      expect(await world.program.exited).toEqual({ code: 0, signal: null });
    });
  });
}

table("our agent, a Python client", { daemon: "ours", ctl: null }, () => ourWorld(), null);
table("our agent, our circusctl", { daemon: "ours", ctl: "ours" }, () => ourWorld(), ourCtl);
if (circusSource !== undefined) {
  const source = circusSource;
  table("circusd, a Python client", { daemon: "circus", ctl: null }, () => circusWorld(source), null);
  table("circusd, its circusctl", { daemon: "circus", ctl: "circus" }, () => circusWorld(source), circusCtl(source));
  table("circusd, our circusctl", { daemon: "circus", ctl: "ours" }, () => circusWorld(source), ourCtl);
  table("our agent, Circus's circusctl", { daemon: "ours", ctl: "circus" }, () => ourWorld(), circusCtl(source));
}
