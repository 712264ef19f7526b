/** The command table: every verb of an agent, once (design §1; reference §5.6). */
import { CONFIG_PUSH } from "./config-push.ts";
import { CONTROL } from "./control.ts";
import { FOLLOW, LOGS } from "./logs.ts";
import { QUERIES } from "./queries.ts";
import type { CommandSpec } from "./spec.ts";
import { USAGE } from "./usage.ts";

const ALL: readonly CommandSpec[] = [...QUERIES, LOGS, FOLLOW, USAGE, ...CONTROL, ...CONFIG_PUSH];

export const COMMANDS: ReadonlyMap<string, CommandSpec> = new Map(ALL.map((spec) => [spec.name, spec]));

/** Looks a command up as the wire does: any case (reference §5.2). */
export function findCommand(name: string): CommandSpec | undefined {
  return COMMANDS.get(name.toLowerCase());
}
