import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { formatLine, formatSyslog, formatTime, type LogRecord } from "./format.ts";
import { openLog } from "./logger.ts";

function record(part: Partial<LogRecord>): LogRecord {
  return { when: new Date(), pid: 1, level: "info", text: "", fields: {}, ...part };
}

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "log-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

it("a line is Circus's (reference §7), with the facts behind the text", () => {
  const when = new Date(2024, 0, 31, 12, 0, 5);
  expect(formatTime(when)).toBe("2024-01-31 12:00:05");
  expect(
    formatLine(record({ when, pid: 42, level: "warning", text: "spawn failed", fields: { watcher: "web", code: 1 } })),
  ).toBe("2024-01-31 12:00:05 circus[42] [WARNING] spawn failed watcher=web code=1");
});

it("no fact can forge a line; a stack follows indented", () => {
  const line = formatLine(record({ text: "x\ny", fields: { name: "a\n2024 fake", stack: "Error: z\nat f" } }));
  expect(line.split("\n")).toHaveLength(3);
  expect(line.split("\n")[2]).toBe("    at f");
});

it("syslog's record has Circus's line, its date, facility and severity; a stack stays in it", () => {
  const when = new Date(2024, 0, 3, 9, 0, 5);
  expect(formatSyslog(record({ when, pid: 42, level: "warning", text: "a\nb", fields: { n: 1 } }), 16)).toBe(
    "<132>Jan 03 09:00:05 circus[42] [WARNING] a\\nb n=1",
  );
  expect(formatSyslog(record({ when, level: "critical", text: "x", fields: { stack: "E: z\n  at f" } }), 1)).toBe(
    "<10>Jan 03 09:00:05 circus[1] [CRITICAL] x E: z | at f",
  );
});

it("a file is appended to, and opened anew after an outside logrotate", () => {
  const path = join(dir, "circus.log");
  using log = openLog({ level: "info", target: { kind: "file", path } });
  log.logger.info("one");
  log.logger.debug("not shown");
  renameSync(path, `${path}.1`);
  log.logger.info("two");
  rmSync(path);
  log.logger.error("three");
  expect(readFileSync(`${path}.1`, "utf8")).toMatch(/\[INFO\] one\n$/);
  expect(readFileSync(path, "utf8")).toMatch(/^[^\n]*\[ERROR\] three\n$/);
});

it("a file that cannot be opened is one clear line", () => {
  const path = join(dir, "no", "such.log");
  expect(() => openLog({ level: "info", target: { kind: "file", path } })).toThrow(`cannot open log file '${path}'`);
});

it("goes on when its directory has vanished", () => {
  const path = join(dir, "sub.log");
  using log = openLog({ level: "info", target: { kind: "file", path } });
  rmSync(dir, { recursive: true });
  log.logger.info("lost");
  expect(existsSync(path)).toBe(false);
  dir = mkdtempSync(join(tmpdir(), "log-"));
});

it("opens its file anew when told to", () => {
  const path = join(dir, "circus.log");
  using log = openLog({ level: "info", target: { kind: "file", path } });
  log.logger.info("one");
  log.reopen();
  log.reopen();
  log.logger.info("two");
  expect(readFileSync(path, "utf8").match(/one|two/g)).toEqual(["one", "two"]);
});

it("a FIFO that nobody reads is refused at once, and one that is not read costs lines, not time", () => {
  const path = join(dir, "fifo");
  execFileSync("mkfifo", [path]);
  const target = { kind: "file", path } as const;
  expect(() => openLog({ level: "info", target })).toThrow("nobody reads");
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  using log = openLog({ level: "info", target });
  for (let i = 0; i < 5_000; i++) log.logger.info("x".repeat(100));
  expect(readSync(reader, Buffer.alloc(10))).toBe(10);
  closeSync(reader);
});
