/** What a line of the interactive shell asks for (reference §5.7). Pure. */
import { splitWords } from "@circus-cluster/proto";
import { type Request, readArgv } from "../argv.ts";
import { TOPICS, VERBS } from "../verbs.ts";

export type Step =
  | { readonly kind: "nothing" }
  | { readonly kind: "leave" }
  | { readonly kind: "say"; readonly text: string }
  /** A mistake, as one line. */
  | { readonly kind: "mistake"; readonly text: string }
  | { readonly kind: "help"; readonly words: readonly string[] }
  | { readonly kind: "version" }
  | { readonly kind: "run"; readonly request: Request };

/** @param options those that the shell was started with: they hold for each line. */
export function stepOf(line: string, options: Request["options"]): Step {
  const text = line.trim();
  if (text === "") return { kind: "nothing" };
  // `quit` is a command of the agent: it ends circusd, as ever.
  if (text === "EOF" || text === "exit") return { kind: "leave" };
  const unknown: Step = { kind: "say", text: `*** Unknown syntax: ${text}` };
  const split = splitWords(text.startsWith("?") ? `help ${text.slice(1)}` : text);
  if (!split.ok) return { kind: "mistake", text: `${text}: ${split.reason}` };
  const [first = ""] = split.words;
  const isKnown = VERBS.has(first) || TOPICS.has(first) || first === "help" || first.startsWith("-");
  if (!isKnown) return unknown;
  const read = readArgv(split.words[0] === "help" && split.words[1] === "help" ? ["help"] : split.words);
  switch (read.kind) {
    case "run":
      return { kind: "run", request: { ...read.request, options: { ...options, ...read.request.options } } };
    case "usage":
      return { kind: "mistake", text: read.reason };
    case "shell":
      return unknown;
    case "help":
    case "version":
      return read;
    default:
      return read satisfies never;
  }
}
