/** `circusctl --all logs W`: the agents' own files, and what their processes write. */
import { EXIT } from "@circus-cluster/proto";
import { logOptions, showLogs } from "../logs/show.ts";
import { type FleetContext, hostsWith } from "./context.ts";

export async function logs(context: FleetContext): Promise<number> {
  const { request, settings, io, client } = context;
  const options = logOptions(request, io);
  const { scope } = settings;
  const hosts = scope?.kind === "hosts" ? scope.hosts : await hostsWith(context, options.watcher);
  const sources = hosts.map((host) => ({
    host,
    ask: (command: string, properties: object, waitMs: number) =>
      client.agents.ask(host, command, properties, io.now(), settings.timeoutMs + waitMs),
  }));
  const around = { io, settings, onFirstSilence: () => null, lost: client.closed };
  const exit = await showLogs(sources, options, around);
  return exit === EXIT.refused && hosts.length > 1 ? EXIT.partial : exit;
}
