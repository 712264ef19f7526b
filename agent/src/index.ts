/** What a program sees that embeds an agent or talks to one. */
export { Arbiter, type ArbiterEnd, type ArbiterOptions } from "./arbiter.ts";
export {
  type CallOptions,
  CircusClient,
  type CircusClientOptions,
  CircusEvents,
  type CircusEventsOptions,
  type WatcherEvent,
} from "./client.ts";
export { loadConfig } from "./config/load.ts";
export type { AgentConfig, Diagnostic, LoadResult } from "./config/types.ts";
export { createArbiter, type EmbedOptions, loadArbiter, type Section } from "./embed.ts";
export type { CircusEvent } from "./events/api.ts";
export type { OutputQueue, OutputRecord } from "./output/sinks/queue.ts";
