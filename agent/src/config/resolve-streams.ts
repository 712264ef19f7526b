/** `stdout_stream.*` and `stderr_stream.*` of a section → streams, with file:line for what is wrong. Pure. */
import type { SectionReader } from "./reader.ts";
import { resolveStream, type StreamConfig } from "./streams.ts";

interface Streams {
  /** Null: the process has the agent's own. */
  readonly stdoutStream: StreamConfig | null;
  readonly stderrStream: StreamConfig | null;
}

export function resolveStreams(reader: SectionReader): Streams {
  return { stdoutStream: streamOf(reader, "stdout"), stderrStream: streamOf(reader, "stderr") };
}

function streamOf(reader: SectionReader, which: "stdout" | "stderr"): StreamConfig | null {
  const key = `${which}_stream`;
  const prefix = `${key}.`;
  if (reader.has(key)) {
    reader.error(key, `write its options one by one: '${prefix}filename = FILE' or '${prefix}class = NAME'`);
  }
  const keys = [...reader.section.entries.keys()].filter((name) => name.startsWith(prefix));
  const [first] = keys;
  if (first === undefined) return null;
  const options = keys.map((name): [string, string] => [name.slice(prefix.length), reader.text(name) ?? ""]);
  const { stream, problems } = resolveStream(Object.fromEntries(options));
  for (const { option, severity, problem } of problems) {
    const at = option === null ? key : prefix + option;
    if (severity === "error") reader.error(at, problem);
    else reader.warning(at, problem);
  }
  if (reader.bool(`close_child_${which}`)) {
    reader.warning(first, `no effect with 'close_child_${which} = True'`);
  }
  return stream;
}
