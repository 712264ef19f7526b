/** The load of `load.ts` in a process of its own, inside a network namespace where one is named. */

import { join } from "node:path";
import { build } from "esbuild";
import type { LoadOptions, LoadReport } from "./load.ts";
import { projectRoot, startProgram } from "./process.ts";
import { tempDir } from "./temp.ts";

export interface InsideLoad extends AsyncDisposable {
  /** Lets requests in flight end, then reports. */
  stop(): Promise<LoadReport>;
}

/** @param recordFile gets a line of JSON for each request, see `LoadRequest` */
export async function startLoadInside(
  netns: string | undefined,
  options: LoadOptions,
  recordFile?: string,
): Promise<InsideLoad> {
  const dir = await tempDir("circus-load-");
  const outfile = dir.file("load.mjs");
  await build({
    entryPoints: [join(projectRoot, "test/support/load-main.ts")],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "silent",
  });
  const program = await startProgram(
    process.execPath,
    [outfile, JSON.stringify(options), ...(recordFile === undefined ? [] : [recordFile])],
    netns === undefined ? {} : { netns },
  );
  await program.waitForLine(/loading/);
  let report: Promise<LoadReport> | undefined;
  const end = async (): Promise<LoadReport> => {
    program.kill("SIGTERM");
    await program.closed;
    await program.stop();
    const { byWorker, ...rest } = JSON.parse(program.stdout) as Omit<LoadReport, "byWorker"> & {
      byWorker: [string, number][];
    };
    return { ...rest, byWorker: new Map(byWorker) };
  };
  return {
    stop: () => (report ??= end()),
    async [Symbol.asyncDispose]() {
      await program.stop();
      await dir[Symbol.asyncDispose]();
    },
  };
}
