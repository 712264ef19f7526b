/** Configuration as pages show it, looked at by the program that would read it. */
import { projectRoot, type Result, run } from "./process.ts";
import { tempDir } from "./temp.ts";

/** A page shows parts of a file: what has to be there is added. Keys that stand alone are of a watcher. */
function whole(text: string, isController: boolean): string {
  if (!isController) return text.startsWith("[") ? text : `[watcher:web]\ncmd = sleep 1\n${text}`;
  const own = text.includes("[controller]") ? text : `[controller]\n\n${text}`;
  const needs = "[controller]\nnats_url = nats://127.0.0.1:4222\n";
  return own.includes("nats_url") ? own : own.replace("[controller]\n", needs);
}

/** `circusd --check`, or `circus-controller --check`, of a block. */
export async function checkIni(text: string): Promise<Result> {
  await using dir = await tempDir("circus-page-");
  const isController = /^\[(?:controller|notify:\S+)\]$/m.test(text);
  const file = await dir.write(isController ? "controller.ini" : "circus.ini", whole(text, isController));
  const program = isController ? "circus-controller" : "circusd";
  return await run(program, ["--check", file], { cwd: projectRoot });
}
