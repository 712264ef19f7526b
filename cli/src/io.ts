/** Everything that a command touches of the outside; tests give their own. */
import { fstatSync, writeSync } from "node:fs";

export interface Io {
  /** Written as it is; false: nobody reads it any more. */
  out(text: string): boolean;
  err(text: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly isInTty: boolean;
  readonly isOutTty: boolean;
  readonly isErrTty: boolean;
  /** Of the terminal. */
  columns(): number;
  /** Wall ms. */
  now(): number;
  /** One line from the terminal; null at its end. */
  ask(question: string): Promise<string | null>;
  /** Calls back at Ctrl-C instead of ending; the result undoes it. */
  onInterrupt(callback: () => void): () => void;
}

/** May stdout be coloured? */
export function hasColour(io: Pick<Io, "isOutTty" | "env">): boolean {
  return io.isOutTty && (io.env["NO_COLOR"] ?? "") === "";
}

const RETRY_MS = 5;
const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** All of it, before it returns: `process.stdout` costs some milliseconds and loses the rest at `process.exit`. */
function write(fd: number, text: string): boolean {
  const data = Buffer.from(text);
  for (let at = 0; at < data.length; ) {
    try {
      at += writeSync(fd, data, at);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : "";
      if (code === "EPIPE") return false; // `circusctl … | head`
      if (code !== "EAGAIN") throw error;
      Atomics.wait(sleeper, 0, 0, RETRY_MS); // a full pipe that somebody made non-blocking
    }
  }
  return true;
}

/** Loaded when somebody asks: `node:tty` brings `node:net`, 3 ms that a plain verb does not need. */
function isTty(fd: number): boolean {
  return process.getBuiltinModule("node:tty").isatty(fd);
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

async function ask(question: string): Promise<string | null> {
  const { createInterface } = await import("node:readline");
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  return await new Promise((resolve) => {
    lines.once("close", () => resolve(null));
    lines.once("SIGINT", () => lines.close());
    lines.question(question, (answer) => {
      resolve(answer);
      lines.close();
    });
  });
}

export function realIo(): Io {
  return {
    out: (text) => isOpen(1) && write(1, text),
    err: (text) => {
      if (isOpen(2)) write(2, text);
    },
    env: process.env,
    get isInTty() {
      return isTty(0);
    },
    get isOutTty() {
      return isTty(1);
    },
    get isErrTty() {
      return isTty(2);
    },
    columns: () => process.stdout.columns || 80,
    now: () => Date.now(),
    ask,
    onInterrupt: (callback) => {
      process.on("SIGINT", callback);
      return () => process.off("SIGINT", callback);
    },
  };
}
