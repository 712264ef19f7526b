import { expect, it } from "vitest";
import { watcherConfig } from "../commands/fake-agent.fixture.ts";
import { substitute } from "../config/variables.ts";
import { spawnLookup } from "./spawn-variables.ts";

const config = watcherConfig("web", {
  env: { Home: "/h" },
  gracefulTimeoutS: 30,
  useSockets: true,
  rlimits: { nofile: 99, core: null },
  extra: { zzz: "1" },
});
const lookup = spawnLookup(config, 3, (name) => (name === "web" ? 7 : undefined));

it.each([
  ["--fd $(circus.sockets.Web)", "--fd 7"],
  ["((CIRCUS.SOCKETS.web))", "7"],
  ["$(circus.wid)", "3"],
  ["$(circus.env.HOME)", "/h"],
  ["$(circus.numprocesses) $(circus.uid) $(circus.use_fds)", "1 None True"],
  ["$(circus.rlimits.NOFILE) $(circus.rlimits.core) $(circus.rlimits.as)", "99 -1 $(circus.rlimits.as)"],
  ["$(circus.graceful_timeout) $(circus.stop_signal)", "30.0 15"],
  ["$(circus.sockets.nope) $(circus.name) $(circus.zzz) $(circus.env.nope) $(circus.env)", null],
])("%s", (text, expected) => {
  expect(substitute(text, lookup)).toBe(expected ?? text);
});
