/**
 * What `copy_env` took from the agent's own environment is no part of a watcher's configuration: the next agent has
 * another one (systemd alone sees to that), and that is no reason to replace a process. So it does not stand in the
 * journal, nor do the secrets in it. Pure.
 */
import type { WatcherConfig } from "../config/types.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** As it stands in the journal. @param own environment of the agent that writes it */
export function withoutCopied(config: WatcherConfig, own: Env): WatcherConfig {
  if (!config.copyEnv) return config;
  const env = Object.fromEntries(Object.entries(config.env).filter(([name, value]) => own[name] !== value));
  return { ...config, env };
}

/**
 * As it holds for the agent that read it from there.
 *
 * @param like the same watcher as the file has it now, with what was copied for it; null: it has none such
 * @param own environment of this agent
 */
export function withCopied(config: WatcherConfig, like: WatcherConfig | null, own: Env): WatcherConfig {
  if (!config.copyEnv) return config;
  const copied = Object.entries(like?.copyEnv === true ? like.env : own).filter(([name, value]) => own[name] === value);
  return { ...config, env: { ...(Object.fromEntries(copied) as WatcherConfig["env"]), ...config.env } };
}
