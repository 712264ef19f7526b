/**
 * What the agent does on signals (reference §7): INT, TERM and QUIT are a quit, HUP a graceful reload of everything,
 * USR1 opens files anew that an outside logrotate moved. WINCH, USR2 and CHLD do nothing.
 */
import { type Logger, reasonOf } from "@circus-cluster/proto";
import type { AgentView } from "../commands/agent-view.ts";
import type { Cause } from "../watcher/api.ts";

type Commanded = Pick<AgentView, "quit" | "reloadAll" | "reopenOutputs">;

const QUIT_SIGNALS = ["SIGINT", "SIGTERM", "SIGQUIT"] as const;

/**
 * Hears signals from the first moment on, also while there is no arbiter yet to obey them (D1), and to the last: one
 * that comes when all is closed must not turn exit code 0 into a death by signal.
 */
export class ProcessSignals {
  readonly #log: Logger;
  #arbiter: Commanded | null = null;
  #quitBy: NodeJS.Signals | null = null;

  /** @param onReopen called at SIGUSR1 */
  constructor(log: Logger, onReopen: () => void) {
    this.#log = log;
    for (const name of QUIT_SIGNALS) process.on(name, () => this.#onQuit(name));
    process.on("SIGHUP", () => this.#onReload());
    process.on("SIGUSR1", () => this.#onReopen(onReopen));
    process.on("SIGUSR2", () => undefined); // its default would end the agent
  }

  get hasQuit(): boolean {
    return this.#quitBy !== null;
  }

  attach(arbiter: Commanded): void {
    this.#arbiter = arbiter;
    if (this.#quitBy !== null) void arbiter.quit(causeOf(this.#quitBy));
  }

  detach(): void {
    this.#arbiter = null;
  }

  #onQuit(name: NodeJS.Signals): void {
    if (this.#quitBy !== null) {
      this.#log.info("already stopping", { signal: name });
      return;
    }
    this.#quitBy = name;
    this.#log.info("got signal", { signal: name });
    void this.#arbiter?.quit(causeOf(name));
  }

  #onReopen(reopen: () => void): void {
    reopen();
    this.#arbiter?.reopenOutputs();
    this.#log.info("opened the logs anew", { signal: "SIGUSR1" });
  }

  #onReload(): void {
    this.#log.info("got signal", { signal: "SIGHUP" });
    this.#arbiter?.reloadAll(causeOf("SIGHUP"), { graceful: true, sequential: false }).catch((error: unknown) => {
      this.#log.warning("reload failed", { reason: reasonOf(error) });
    });
  }
}

function causeOf(name: NodeJS.Signals): Cause {
  return { actor: name, command: null };
}
