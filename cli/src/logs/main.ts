/** `circusctl logs W` of the local agent. A part of its own, loaded by need. */
import { type AgentReply, EXIT } from "@circus-cluster/proto";
import type { Request } from "../argv.ts";
import { reach } from "../clients/reach.ts";
import { AgentLink } from "../clients/zmq.ts";
import type { Io } from "../io.ts";
import { timeoutText } from "../local.ts";
import type { Settings } from "../settings.ts";
import { type LogHost, logOptions, showLogs } from "./show.ts";

/** @returns the exit code. @throws UsageError */
export async function runLogs(request: Request, settings: Settings, io: Io): Promise<number> {
  const options = logOptions(request, io);
  const way = await reach(settings.endpoint, settings, io.isInTty);
  if (way.kind === "failed") {
    io.err(`circusctl: ${way.reason}\n`);
    return EXIT.local;
  }
  try {
    using link = new AgentLink(way.endpoint);
    const local: LogHost = {
      host: null,
      ask: async (command, properties, waitMs) => {
        const timeoutMs = settings.timeoutMs + waitMs;
        const result = await link.ask({ command, properties: { ...properties }, timeoutMs });
        if (result.kind === "timeout") return { kind: "silent", reason: `no answer from ${settings.endpoint}` };
        if (result.kind === "failed") return { kind: "refused", reason: result.reason };
        return replyOf(JSON.parse(result.text) as Readonly<Record<string, unknown>>);
      },
    };
    const onFirstSilence = (): number => {
      io.err(timeoutText(settings, way.said()));
      return EXIT.local;
    };
    return await showLogs([local], options, { io, settings, onFirstSilence, lost: new Promise(() => undefined) });
  } finally {
    way.close();
  }
}

function replyOf(reply: Readonly<Record<string, unknown>>): AgentReply {
  if (reply["status"] !== "error") return { kind: "reply", reply };
  const { reason } = reply;
  return { kind: "refused", reason: typeof reason === "string" ? reason : "no reason given" };
}
