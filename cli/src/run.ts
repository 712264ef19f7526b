/** The one function behind every verb; the thin entry and the oclif commands both end here (design §6). */
import { EXIT, reasonOf } from "@circus-cluster/proto";
import type { Request } from "./argv.ts";
import type { Io } from "./io.ts";
import { listen } from "./listen.ts";
import { runLocal } from "./local.ts";
import { assignWords, isWordsError } from "./properties.ts";
import { isUsageError, type Settings, settingsOf, UsageError } from "./settings.ts";
import { isAboutCredentials, VERBS, type Verb } from "./verbs.ts";

/** @returns the exit code; everything that a user can do wrong is one line on stderr. */
export async function run(request: Request, io: Io): Promise<number> {
  try {
    const verb = VERBS.get(request.verb);
    if (verb === undefined) throw new UsageError(`unknown command '${request.verb}'`);
    const settings = settingsOf(request, io.env);
    const { command } = verb;
    if (verb.by === "circusctl") return await runOwn(verb, request, settings, io);
    if (command !== null && settings.scope === null) {
      if (request.options["context"] !== undefined) {
        throw new UsageError("--context is about a fleet: it needs --all, --host or --where");
      }
      return await runLocal(verb, command, request, settings, io);
    }
    if (isAboutCredentials(verb)) {
      const { runCredentials } = await import("./credentials/main.ts");
      return await runCredentials(verb, request, settings, io);
    }
    return await toFleet(verb, request, settings, io);
  } catch (error) {
    if (isUsageError(error)) {
      io.err(`circusctl: ${error.message}\n`);
      return EXIT.usage;
    }
    if (isWordsError(error)) {
      io.err(`${error.message}\n`);
      return EXIT.local;
    }
    io.err(`circusctl: internal error: ${error instanceof Error ? (error.stack ?? reasonOf(error)) : String(error)}\n`);
    return EXIT.local;
  }
}

async function toFleet(verb: Verb, request: Request, settings: Settings, io: Io): Promise<number> {
  const { applyContext } = await import("./contexts/main.ts");
  const { runFleet } = await import("./fleet/main.ts");
  return await runFleet(verb, request, applyContext(settings, io.env), io);
}

/** The verbs that `circusctl` does by itself. */
async function runOwn(verb: Verb, request: Request, settings: Settings, io: Io): Promise<number> {
  assignWords(verb, request.words);
  if (verb.name === "listen") {
    if (settings.scope !== null) throw new UsageError("listen is about one agent: without --all, --host and --where");
    return await listen(request, settings, io);
  }
  if ((verb.name === "logs" || verb.name === "top") && settings.scope !== null) {
    return await toFleet(verb, request, settings, io);
  }
  if (verb.name === "top") {
    const { runTop } = await import("./top/main.ts");
    return await runTop(request, settings, io);
  }
  if (verb.name === "convert") {
    if (settings.scope !== null) throw new UsageError("convert is about a file: without --all, --host and --where");
    const { runConvert } = await import("./convert/main.ts");
    return runConvert(request.words, settings, io);
  }
  if (verb.name === "logs") {
    const { runLogs } = await import("./logs/main.ts");
    return await runLogs(request, settings, io);
  }
  if (verb.name === "doctor") {
    const { applyContext } = await import("./contexts/main.ts");
    const { runDoctor } = await import("./doctor/main.ts");
    return await runDoctor(applyContext(settings, io.env), io);
  }
  if (verb.name.startsWith("context ")) {
    const { runContext } = await import("./contexts/main.ts");
    return runContext(request, settings, io);
  }
  const { printCompletion } = await import("./completion/main.ts");
  return printCompletion(request.words, io);
}
