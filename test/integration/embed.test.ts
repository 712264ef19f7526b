/** An arbiter inside another program: the example of agent/README.md, run as it stands there. */
import { createArbiter } from "@circus-cluster/agent";
import { afterAll, expect, it } from "vitest";
import { OwnBlocks } from "../docs/taken.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { projectRoot, run } from "../support/process.ts";

afterAll(() => assertNoLeaks());

it("runs the example of the README, which ends by itself and leaves nothing behind", async () => {
  const own = await OwnBlocks.of("test/integration/embed.test.ts");
  const example = own.take("agent/README.md")[0]?.text ?? "";
  expect(own.left).toEqual([]);
  const handlers = 'console.log(process.listenerCount("SIGTERM"), process.exitCode);';
  const result = await run("node", ["--input-type=module", "-e", `${example}${handlers}`], { cwd: projectRoot });
  expect(result).toMatchObject({ code: 0, stdout: "2\n0 undefined\n", stderr: "" });
});

it("refuses what is wrong in one line, with nothing bound", async () => {
  await expect(createArbiter({ watchers: [{ cmd: "sleep 1", numprocesses: "two" }] })).rejects.toThrow(
    /^numprocesses: 'two' is not a whole number$/,
  );
});
