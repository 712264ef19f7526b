/** `circusctl --all top`: the fleet on a screen that keeps itself up to date, or as plain lines. */
import {
  EXIT,
  type HostName,
  type HostStatus,
  type HostUsage,
  hostUsage,
  parse,
  parseHostName,
  reasonOf,
  USAGE,
} from "@circus-cluster/proto";
import { hasColour } from "../io.ts";
import { fleetLines, plainFleetLines } from "../top/fleet-draw.ts";
import { type FleetInput, fleetStep, initialFleet } from "../top/fleet-model.ts";
import { type FleetPicture, fleetPicture, type Usages } from "../top/fleet-picture.ts";
import { runScreen } from "../top/run-screen.ts";
import { countOption, everyOption, isScreen, PLAIN_COLUMNS, repeat, sleep } from "../top/settings.ts";
import { type FleetContext, hostFilter } from "./context.ts";
import { FleetError } from "./error.ts";
import { printDocument } from "./output.ts";

/** Between the two looks that the first figures need. */
const FIRST_MS = 1000;

/** @returns the exit code. @throws UsageError, FleetError where the first look brings nothing */
export async function top(context: FleetContext): Promise<number> {
  const { io, settings, request } = context;
  const everyMs = everyOption(request.options);
  const count = countOption(request.options["count"]);
  const feed = new FleetFeed(context, await hostFilter(context), everyMs);
  const first = await feed.look();
  if (!isScreen(io, settings, count)) return await plainly(context, feed, count, everyMs);
  let isOver = false;
  return await runScreen<FleetInput>(io, hasColour(io), (size, end) => {
    let { state } = fleetStep(initialFleet(size), { kind: "picture", picture: first });
    const look = (): Promise<FleetInput> =>
      feed.look().then(
        (picture) => ({ kind: "picture", picture }),
        (error: unknown) => ({ kind: "trouble", reason: reasonOf(error) }),
      );
    return {
      start: (give) => {
        void repeat(Math.min(FIRST_MS, everyMs), everyMs, async () => {
          if (!isOver) give(await look());
          return !isOver;
        });
      },
      take: (input) => {
        const step = fleetStep(state, input);
        state = step.state;
        if (step.isOver) end(EXIT.ok);
      },
      lines: () => fleetLines(state, { everyMs }),
      stop: () => {
        isOver = true;
      },
    };
  });
}

async function plainly(context: FleetContext, feed: FleetFeed, count: number | null, everyMs: number): Promise<number> {
  const { io, settings } = context;
  let state = initialFleet({ rows: Number.MAX_SAFE_INTEGER, columns: PLAIN_COLUMNS });
  for (let shown = 0; shown < (count ?? Number.POSITIVE_INFINITY); shown++) {
    await sleep(shown === 0 ? FIRST_MS : everyMs);
    const picture = await feed.look();
    state = fleetStep(state, { kind: "picture", picture }).state;
    if (settings.json) printDocument(context, picture);
    else if (!io.out(`${plainFleetLines(state, { everyMs }).join("\n")}\n\n`)) return EXIT.ok;
  }
  return EXIT.ok;
}

class FleetFeed {
  readonly #context: FleetContext;
  readonly #hosts: readonly string[] | null;
  readonly #waitMs: number;
  #before: Usages = new Map();

  constructor(context: FleetContext, hosts: readonly string[] | null, everyMs: number) {
    this.#context = context;
    this.#hosts = hosts;
    this.#waitMs = Math.min(context.settings.timeoutMs, Math.max(1000, everyMs));
  }

  /** @throws FleetError where nobody answers */
  async look(): Promise<FleetPicture> {
    const { controller, statuses, usages } = await this.#ask();
    const picture = fleetPicture(controller, statuses, usages, this.#before);
    this.#before = usages;
    return picture;
  }

  async #ask(): Promise<{ controller: string | null; statuses: readonly HostStatus[]; usages: Usages }> {
    const { client, settings } = this.#context;
    try {
      const { controller, result } = await client.query("status", { hosts: this.#hosts, watcher: null });
      const there = result.hosts.filter(({ presence }) => presence !== "lost" && presence !== "left");
      const asked = there.map(({ host }) => parseHostName(host)).filter((host) => host !== null);
      return { controller, statuses: result.hosts, usages: await this.#usages(asked) };
    } catch (error) {
      const isLost = error instanceof FleetError && error.exit === EXIT.unreachable;
      if (!isLost || settings.scope?.kind !== "all" || client.role !== "operator") throw error;
      const usages = await this.#whoHears();
      if (usages.size === 0) throw error;
      const statuses = [...usages.keys()].map(
        (host): HostStatus => ({ host, presence: "online", ageMs: 0, watchers: [] }),
      );
      return { controller: null, statuses, usages };
    }
  }

  async #usages(hosts: readonly HostName[]): Promise<Usages> {
    const { client, io } = this.#context;
    const usages = new Map<string, HostUsage>();
    const one = async (host: HostName): Promise<void> => {
      const answer = await client.agents.ask(host, USAGE.name, {}, io.now(), this.#waitMs);
      const usage = answer.kind === "reply" ? usageIn(answer.reply) : null;
      if (usage !== null) usages.set(host, usage);
    };
    await Promise.all(hosts.map(one));
    return usages;
  }

  async #whoHears(): Promise<Usages> {
    const { client, io } = this.#context;
    const usages = new Map<string, HostUsage>();
    for (const { host, answer } of await client.agents.broadcast(USAGE.name, {}, io.now())) {
      const usage = usageIn(answer.reply);
      if (usage !== null) usages.set(host, usage);
    }
    return usages;
  }
}

function usageIn(reply: object): HostUsage | null {
  const parsed = parse(hostUsage, "usage" in reply ? reply.usage : null);
  return parsed.ok ? parsed.value : null;
}
