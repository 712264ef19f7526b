/** The thread in which the JavaScript hooks of one watcher run; see module.ts, which starts it. */
import { parentPort } from "node:worker_threads";
import type { ModuleMessage, ModuleReply } from "./module.ts";

const port = parentPort;
if (port === null) throw new Error("module-worker.ts runs in a worker thread only");

type Hook = (about: Record<string, unknown>) => unknown;

async function resolveHook(address: string, name: string): Promise<Hook> {
  const found = ((await import(address)) as Record<string, unknown>)[name];
  if (typeof found !== "function") throw new TypeError(`it exports no function '${name}'`);
  return found as Hook;
}

async function run(message: ModuleMessage): Promise<ModuleReply> {
  if (message.kind === "check") {
    for (const { hook, address, name, text } of message.targets) {
      try {
        await resolveHook(address, name);
      } catch (error) {
        return { id: message.id, error: `hooks.${hook}: cannot import '${text}': ${textOf(error)}` };
      }
    }
    return { id: message.id, value: true, env: null, stats: null };
  }
  const { id, address, name, about } = message;
  const hook = await resolveHook(address, name);
  const env = { ...about.watcher.env };
  const stats = about.stats === null ? null : { ...about.stats };
  const sendSignal = (pid: number, signum: number): void => port?.postMessage({ id, signal: { pid, signum } });
  const { options } = about.watcher;
  const value = await hook({
    ...{ ...about.facts, hookName: about.hook, arbiter: about.arbiter },
    watcher: { ...options, ...about.watcher, env, sendSignal },
    ...(stats === null ? {} : { stats }),
  });
  return { id, value: Boolean(value), env, stats };
}

function textOf(error: unknown): string {
  // Which file of ours asked for a module is nobody's business.
  return (error instanceof Error ? error.message : String(error)).replace(/ imported from \S+$/, "");
}

port.on("message", (message: ModuleMessage) => {
  void run(message)
    .catch((error: unknown): ModuleReply => ({ id: message.id, error: textOf(error) }))
    .then((reply) => port.postMessage(reply));
});
