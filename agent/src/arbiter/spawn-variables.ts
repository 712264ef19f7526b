/** What `$(circus.…)` stands for in `cmd` and `args` at each spawn (reference §2.9). Pure. */
import { standardOptionOf } from "../commands/options-view.ts";
import type { StreamConfig } from "../config/streams.ts";
import type { WatcherConfig } from "../config/types.ts";
import type { Lookup } from "../config/variables.ts";

/** @param fdOf the number of a socket by its lower-case name; undefined where there is none such. */
export function spawnLookup(config: WatcherConfig, wid: number, fdOf: (name: string) => number | undefined): Lookup {
  return (path) => {
    const lower = path.toLowerCase();
    const [, kind, name = ""] = /^(env|sockets|rlimits|stdout_stream_conf|stderr_stream_conf)\.(.+)$/.exec(lower) ?? [];
    if (kind === "env") return Object.entries(config.env).find(([key]) => key.toLowerCase() === name)?.[1];
    if (kind === "sockets") return fdOf(name)?.toString();
    if (kind === "rlimits") return rlimitText(config, name);
    if (kind === "stdout_stream_conf") return givenText(config.stdoutStream, name);
    if (kind === "stderr_stream_conf") return givenText(config.stderrStream, name);
    if (lower === "wid") return String(wid);
    const option = standardOptionOf(config, lower === "use_fds" ? "use_sockets" : lower);
    return option === null ? undefined : pythonText(lower, option.value);
  };
}

/** As Python's `str()` writes it; undefined, so that the text stays, for what is no plain value. */
function pythonText(key: string, value: unknown): string | undefined {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") {
    return key === "graceful_timeout" && Number.isInteger(value) ? value.toFixed(1) : String(value);
  }
  return typeof value === "string" ? value : undefined;
}

function givenText(stream: StreamConfig | null, name: string): string | undefined {
  return Object.entries(stream?.given ?? {})
    .find(([key]) => key === name)?.[1]
    .toString();
}

function rlimitText({ rlimits }: WatcherConfig, name: string): string | undefined {
  const value = Object.entries(rlimits).find(([key]) => key === name)?.[1];
  return value === null ? "-1" : value?.toString();
}
