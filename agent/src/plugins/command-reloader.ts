/** Restarts a watcher when the program of its command changes (CommandReloader, reference §9.2). */
import { realpathSync, statSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import { isPlugin } from "../config/plugin-name.ts";
import { findExecutable } from "../process/executable.ts";
import type { BuiltinOptions } from "./catalog.ts";
import type { PluginHost } from "./host.ts";
import { changed, commandFiles, type Fingerprint, type Look, type ReloaderState } from "./reloader-core.ts";

export async function run(host: PluginHost, { loopRateS }: BuiltinOptions<"command_reloader">): Promise<void> {
  let state: ReloaderState = new Map();
  const look = async (): Promise<void> => {
    const looks: Look[] = [];
    for (const [watcher, status] of Object.entries(await host.client.statuses())) {
      if (isPlugin(watcher.toLowerCase())) continue;
      const files = filesOf(await host.client.options(watcher)).map(fingerprint);
      looks.push({ watcher, files, isRunning: status === "active" });
    }
    const step = changed(state, looks);
    ({ state } = step);
    for (const name of step.restarts) {
      host.log.info("its command changed: restarting", { watcher: name });
      await host.client.ask("restart", { name, match: "simple" });
    }
  };
  // What changes within the first second is noticed too.
  await host.attempt("look failed", look);
  await host.every(loopRateS, look);
}

function filesOf({ cmd, args, env, working_dir: workingDir }: Readonly<Record<string, unknown>>): readonly string[] {
  const words = Array.isArray(args) ? args.join(" ") : typeof args === "string" ? args : "";
  const files = typeof cmd === "string" ? commandFiles(cmd, words) : null;
  if (files === null) return [];
  const cwd = typeof workingDir === "string" ? workingDir : "/";
  const path = (env as Readonly<Record<string, string>> | undefined)?.["PATH"];
  const program = findExecutable(files.program, path, cwd);
  const script = files.scripts
    .map((word) => (isAbsolute(word) ? word : resolve(cwd, word)))
    .find((file) => statSync(file, { throwIfNoEntry: false })?.isFile() === true);
  // One that cannot be found at the moment keeps its place.
  return [program.ok ? program.path : resolve(cwd, files.program), ...(script === undefined ? [] : [script])];
}

function fingerprint(file: string): Fingerprint | null {
  try {
    const path = realpathSync(file);
    const { mtimeMs, ino } = statSync(path);
    return `${path} ${mtimeMs} ${ino}`;
  } catch {
    return null;
  }
}
