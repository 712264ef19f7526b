/** `circusctl top`: the screen where there is one, plain lines elsewhere. A bundle of its own, loaded by need. */
import { EXIT } from "@circus-cluster/proto";
import type { Request } from "../argv.ts";
import { reach } from "../clients/reach.ts";
import { hasColour, type Io } from "../io.ts";
import { timeoutText } from "../local.ts";
import type { Settings } from "../settings.ts";
import { linesOf, plainLinesOf, type Surroundings } from "./draw.ts";
import { Feed, type Trouble } from "./feed.ts";
import { initialTop, type TopEffect, type TopInput, transition } from "./model.ts";
import { levelsOf } from "./pieces.ts";
import { runScreen } from "./run-screen.ts";
import { countOption, everyOption, isScreen, PLAIN_COLUMNS, repeat, sleep } from "./settings.ts";

/** Between the two looks that the first figures of a plain picture need. */
const FIRST_MS = 1000;

interface Looking {
  readonly feed: Feed;
  readonly around: Surroundings;
  readonly settings: Settings;
  readonly io: Io;
  /** What ssh said, if it is on the way. */
  readonly said: () => string;
}

/** @returns the exit code. @throws UsageError */
export async function runTop({ options }: Request, settings: Settings, io: Io): Promise<number> {
  const everyMs = everyOption(options);
  const count = countOption(options["count"]);
  const levels = levelsOf(io.env);
  const way = await reach(settings.endpoint, settings, io.isInTty);
  if (way.kind === "failed") {
    io.err(`circusctl: ${way.reason}\n`);
    return EXIT.local;
  }
  try {
    // What the agent calls the place of its statistics is not ours at the other end of a tunnel.
    using feed = new Feed(way.endpoint, settings.timeoutMs, settings.ssh === null);
    const around: Surroundings = { endpoint: settings.endpoint, everyMs, levels };
    const looking: Looking = { feed, around, settings, io, said: () => way.said() };
    return isScreen(io, settings, count) ? await onScreen(looking) : await plainly(looking, count);
  } finally {
    way.close();
  }
}

/** Pictures one below the other, until so many were shown, nobody reads them, or somebody interrupts. */
async function plainly(looking: Looking, count: number | null): Promise<number> {
  const { feed, around, settings, io } = looking;
  let state = initialTop({ rows: Number.MAX_SAFE_INTEGER, columns: PLAIN_COLUMNS });
  const first = await feed.look();
  if (first.kind === "trouble") return unreachable(looking, first);
  let waitMs = FIRST_MS; // the first look has no CPU figures yet
  for (let shown = 0; shown < (count ?? Infinity); shown++) {
    await sleep(waitMs);
    waitMs = around.everyMs;
    const looked = await feed.look();
    if (looked.kind === "trouble") return unreachable(looking, looked);
    state = transition(state, looked).state;
    const text = settings.json
      ? `${JSON.stringify({ v: 1, ...looked.picture }, null, settings.indent)}\n`
      : `${plainLinesOf(state, around).join("\n")}\n\n`;
    if (!io.out(text)) return EXIT.ok;
  }
  return EXIT.ok;
}

function unreachable({ io, settings, said }: Looking, { isTimeout, reason }: Trouble): number {
  io.err(isTimeout ? timeoutText(settings, said()) : `circusctl: ${reason}\n`);
  return EXIT.local;
}

async function onScreen(looking: Looking): Promise<number> {
  const { feed, around, io } = looking;
  // A mistake is said on the screen that the user has, not on one that vanishes.
  const first = await feed.look();
  if (first.kind === "trouble") return unreachable(looking, first);
  return await runScreen<TopInput>(io, hasColour(io), (size, end) => {
    let { state } = transition(initialTop(size), first);
    let give: (input: TopInput) => void = () => undefined;
    let isOver = false;
    const perform = (effect: TopEffect): void => {
      if (effect.kind === "quit") end(EXIT.ok);
      else void feed.restart(effect.watcher).then((message) => give({ kind: "told", message }));
    };
    return {
      start: (taker) => {
        give = taker;
        void repeat(Math.min(FIRST_MS, around.everyMs), around.everyMs, async () => {
          if (!isOver) give(await feed.look());
          return !isOver;
        });
      },
      take: (input) => {
        const step = transition(state, input);
        state = step.state;
        for (const effect of step.effects) perform(effect);
      },
      lines: () => linesOf(state, around),
      stop: () => {
        isOver = true;
      },
    };
  });
}
