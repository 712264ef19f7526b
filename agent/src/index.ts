/** What a program that embeds the agent sees. */
export { Arbiter, type ArbiterEnd, type ArbiterOptions } from "./arbiter.ts";
export { loadConfig } from "./config/load.ts";
export type { AgentConfig, Diagnostic, LoadResult } from "./config/types.ts";
