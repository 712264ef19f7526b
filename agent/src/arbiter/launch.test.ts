import { tmpdir } from "node:os";
import { expect, it } from "vitest";
import { watcherConfig } from "../commands/fake-agent.fixture.ts";
import type { WatcherConfig } from "../config/types.ts";
import { launchProblem } from "./launch.ts";

const nowhere = `${tmpdir()}/there-is-no-such-directory`;

it.each<[string, Partial<WatcherConfig>, string | null]>([
  ["a program of PATH", { cmd: "sleep 1000" }, null],
  ["sockets in its words", { cmd: "sleep $(circus.sockets.web)" }, null],
  ["a line for the shell", { cmd: "no-such-program && true", shell: true }, null],
  ["no such program", { cmd: "no-such-program -x" }, "cannot run 'no-such-program': not found in PATH /bin:/usr/bin"],
  ["its own PATH", { cmd: "sleep 1", env: { PATH: nowhere } }, `cannot run 'sleep': not found in PATH ${nowhere}`],
  ["another executable", { cmd: "sleep 1", executable: `${nowhere}/x` }, `cannot run '${nowhere}/x': no such file`],
  ["no words", { cmd: " ", args: "" }, "cmd is empty"],
  ["a quote that is not closed", { cmd: "sleep '1" }, "cmd: No closing quotation"],
  ["no such directory", { cmd: "sleep 1", workingDir: nowhere }, `working_dir '${nowhere}' does not exist`],
  ["no such user", { cmd: "sleep 1", uid: "nobody-of-this-name" }, "uid: no user 'nobody-of-this-name' on this host"],
  ["no such group", { cmd: "sleep 1", gid: "none-of-this-name" }, "gid: no group 'none-of-this-name' on this host"],
])("%s", (_, config, expected) => {
  expect(launchProblem(watcherConfig("web", config))).toBe(expected);
});
