/** A real nats-server, with JetStream in a directory of its own, that can be killed and come back on the same port. */
import { cp, readFile, rm } from "node:fs/promises";
import { createConnection } from "node:net";
import { freePort } from "./ports.ts";
import { type Program, startProgram } from "./process.ts";
import { tempDir } from "./temp.ts";
import { waitFor } from "./wait.ts";

export interface NatsServerOptions {
  /** A configuration file, with `listen` in it. @default one with JetStream, no users, free port */
  readonly config?: string;
  /** @default 127.0.0.1, or what `listen` of the configuration says */
  readonly host?: string;
  /** @default a free one, or what `listen` of the configuration says */
  readonly port?: number;
  /** Network namespace to run in; readiness is then read from its log. */
  readonly netns?: string;
}

export interface NatsServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly config: string;
  /** What all its lives have logged. */
  readonly log: string;
  readonly isRunning: boolean;
  /** Of its present life; NaN: it does not run. */
  readonly pid: number;
  /** As a power cut for the process: no flush, no goodbye. */
  kill9(): Promise<void>;
  stop(): Promise<void>;
  /** Its store is on disk as it is now, and nothing that comes later: see `losePower`. */
  sync(): Promise<void>;
  /** As a power cut for the machine: what came after the last `sync` is gone. */
  losePower(): Promise<void>;
  /** Starts it again on the same store and port, stopping it first if it runs; ready when it resolves. */
  restart(): Promise<void>;
  /** SIGSTOP and SIGCONT, for example; nothing where it does not run. */
  signal(signal: NodeJS.Signals): void;
  /** Makes it read its configuration again (SIGHUP). */
  reload(): Promise<void>;
}

export async function startNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const dir = await tempDir("circus-nats-");
  try {
    const listen = options.config === undefined ? null : listenOf(await readFile(options.config, "utf8"));
    const host = options.host ?? listen?.host ?? "127.0.0.1";
    const port = options.port ?? listen?.port ?? (await freePort());
    const config =
      options.config ??
      (await dir.write("nats.conf", `listen: "${host}:${port}"\njetstream { store_dir: "${dir.file("store")}" }\n`));
    const store = storeOf(await readFile(config, "utf8"));
    const synced = dir.file("synced");
    let program: Program | null = null;
    let earlier = "";

    const start = async (): Promise<void> => {
      const started = await startProgram(
        "nats-server",
        ["-c", config],
        options.netns === undefined ? {} : { netns: options.netns },
      );
      program = started;
      await started.waitForLine(/Server is ready/);
      if (options.netns === undefined) {
        await waitFor(() => connectable(host, port), { what: `nats-server to listen on ${host}:${port}` });
      }
    };
    const end = async (signal: NodeJS.Signals): Promise<void> => {
      if (program === null) return;
      const ending = program;
      program = null;
      ending.kill(signal);
      await ending.stop();
      earlier += ending.stderr;
    };
    await start().catch(async (error: unknown) => {
      await end("SIGKILL");
      throw error;
    });
    return {
      url: `nats://${host}:${port}`,
      port,
      config,
      get log() {
        return earlier + (program?.stderr ?? "");
      },
      get isRunning() {
        return program?.isRunning ?? false;
      },
      get pid() {
        return program?.pid ?? Number.NaN;
      },
      kill9: () => end("SIGKILL"),
      stop: () => end("SIGTERM"),
      async sync() {
        await rm(synced, { recursive: true, force: true });
        await cp(store, synced, { recursive: true });
      },
      async losePower() {
        await end("SIGKILL");
        await rm(store, { recursive: true });
        await cp(synced, store, { recursive: true });
      },
      async restart() {
        await end("SIGTERM");
        await start();
      },
      signal: (signal) => program?.kill(signal),
      async reload() {
        const before = program?.stderr.match(/Reloaded server configuration/g)?.length ?? 0;
        program?.kill("SIGHUP");
        await waitFor(() => (program?.stderr.match(/Reloaded server configuration/g)?.length ?? 0) > before, {
          what: "nats-server to reload its configuration",
        });
      },
      async [Symbol.asyncDispose]() {
        await end("SIGTERM");
        await dir[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await dir[Symbol.asyncDispose]();
    throw error;
  }
}

function listenOf(text: string): { host: string; port: number } | null {
  const match = /^\s*listen\s*[:=]?\s*"?([^\s":]+):(\d+)"?/m.exec(text);
  return match === null ? null : { host: match[1] === "0.0.0.0" ? "127.0.0.1" : match[1]!, port: Number(match[2]) };
}

function storeOf(text: string): string {
  return /store_dir\s*[:=]?\s*"([^"]+)"/.exec(text)?.[1] ?? "";
}

function connectable(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port });
    socket.once("data", () => done(true)); // its INFO line
    socket.once("error", () => done(false));
    const done = (ok: boolean): void => {
      socket.destroy();
      resolve(ok);
    };
  });
}
