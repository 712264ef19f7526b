import { expect, test } from "vitest";
import { parseLogOutput } from "./log-output.ts";

test.each<[string | null, unknown]>([
  [null, { kind: "stderr" }],
  ["", { kind: "stderr" }],
  ["-", { kind: "stdout" }],
  ["stdout", { kind: "stdout" }],
  ["/var/log/circus.log", { kind: "file", path: "/var/log/circus.log" }],
  ["syslog://", null],
  ["syslog:///", null],
  ["syslog://logs.example", { kind: "syslog", address: { host: "logs.example", port: 514 }, facility: 1 }],
  [
    "syslog://logs.example:5514?local7",
    { kind: "syslog", address: { host: "logs.example", port: 5514 }, facility: 23 },
  ],
  ["syslog://[::1]:99?daemon", { kind: "syslog", address: { host: "::1", port: 99 }, facility: 3 }],
  ["syslog:///dev/log?kern", { kind: "syslog", address: { path: "/dev/log" }, facility: 0 }],
  ["syslog:///dev/log", { kind: "syslog", address: { path: "/dev/log" }, facility: 1 }],
  ["syslog://h:0", null],
  ["syslog://h:99999", null],
  ["syslog://h:x", null],
  ["syslog://u@h", null],
])("%j goes to %j", (text, target) => {
  const parsed = parseLogOutput(text);
  if (target === null)
    expect(parsed).toMatchObject({ ok: false, problem: expect.stringContaining("syslog://HOST") as string });
  else expect(parsed).toEqual({ ok: true, target, warning: null });
});

test("an unknown facility is `user`, as in Circus, but not silently", () => {
  expect(parseLogOutput("syslog:///dev/log?lokal0")).toMatchObject({
    ok: true,
    target: { facility: 1 },
    warning: "there is no syslog facility 'lokal0' (did you mean 'local0'?); user is used",
  });
});
