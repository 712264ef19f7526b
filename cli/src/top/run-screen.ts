/** One screen from its first picture to its end: keys, sizes and what else comes go in, lines come out. */
import { EXIT } from "@circus-cluster/proto";
import type { Io } from "../io.ts";
import type { Size } from "./model.ts";
import type { Line } from "./pieces.ts";
import { Screen } from "./screen.ts";

/** What comes from the terminal itself. */
type TerminalInput = { readonly kind: "key"; readonly key: string } | { readonly kind: "resized"; readonly size: Size };

interface Program<I> {
  /** Called once; whatever else comes is given to `feed`. */
  readonly start: (feed: (input: I) => void) => void;
  readonly take: (input: I | TerminalInput) => void;
  readonly lines: () => readonly Line[];
  /** Nothing is taken any more. */
  readonly stop: () => void;
}

/** @returns the exit code. @throws what the program throws, with the terminal as it was before */
export async function runScreen<I>(
  io: Io,
  hasColour: boolean,
  make: (size: Size, end: (exitCode: number) => void) => Program<I>,
): Promise<number> {
  return await new Promise<number>((resolve, reject) => {
    let isOver = false;
    const end = (finish: () => void): void => {
      if (isOver) return;
      isOver = true;
      program.stop();
      screen[Symbol.dispose]();
      finish();
    };
    const screen = new Screen(io, hasColour, {
      onKey: (key) => take({ kind: "key", key }),
      onResize: (size) => take({ kind: "resized", size }),
      onEnd: (exitCode) => end(() => resolve(exitCode ?? EXIT.ok)),
    });
    const program = make(screen.size(), (exitCode) => end(() => resolve(exitCode)));
    const take = (input: I | TerminalInput): void => {
      if (isOver) return;
      try {
        program.take(input);
        screen.draw(program.lines());
      } catch (error) {
        end(() => reject(error instanceof Error ? error : new Error(String(error))));
      }
    };
    screen.draw(program.lines());
    program.start(take);
  });
}
