/**
 * The entry of `circusctl`. It imports almost nothing: oclif is loaded for help, NATS for the fleet, other parts by need, and a
 * plain local verb meets neither (design §6, "Start-up time is a feature").
 */
import { CIRCUS_VERSION, EXIT } from "@circus-cluster/proto";
import { readArgv } from "./argv.ts";
import { askAgent } from "./clients/zmq.ts";
import { type Io, realIo } from "./io.ts";
import { run } from "./run.ts";
import { COMPLETE_WORD } from "./verbs.ts";

async function help(words: readonly string[], io: Io): Promise<number> {
  const { showHelp } = await import("./oclif.ts");
  return await showHelp(words, io);
}

/** @returns the exit code. */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  if (argv[0] === COMPLETE_WORD || io.env["AUTO_COMPLETE"] !== undefined) {
    const { answerShell } = await import("./completion/main.ts");
    return await answerShell(argv, io, askAgent);
  }
  const line = readArgv(argv);
  switch (line.kind) {
    case "version":
      io.out(`circusctl ${CIRCUS_VERSION}\n`); // the very words that Salt splits (reference §10.1)
      return EXIT.ok;
    case "usage":
      io.err(`circusctl: ${line.reason}\nusage: circusctl [options] command [args]; try circusctl --help\n`);
      return EXIT.usage;
    case "help":
      return await help(line.words, io);
    case "shell": {
      const { runShell } = await import("./shell/main.ts");
      return await runShell(line.options, io, { run, help, ask: askAgent });
    }
    case "run":
      // Node follows it at once; all that reads or shows a time comes later.
      if (line.request.options["utc"] === true) process.env["TZ"] = "UTC";
      return await run(line.request, io);
    default:
      return line satisfies never;
  }
}

/** For `bin/circusctl.cjs`: runs and ends the process, whatever timers or sockets there still are. */
export async function start(): Promise<void> {
  // Ctrl-C is exit 1 (reference §5.7), unless a command listens itself.
  process.on("SIGINT", () => {
    if (process.listenerCount("SIGINT") === 1) process.exit(EXIT.local);
  });
  process.exit(await main(process.argv.slice(2), realIo()));
}
