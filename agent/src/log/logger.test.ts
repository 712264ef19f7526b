import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { formatLine, formatTime } from "./format.ts";
import { openLog } from "./logger.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "log-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

it("a line is Circus's (reference §7), with the facts behind the text", () => {
  const when = new Date(2024, 0, 31, 12, 0, 5);
  expect(formatTime(when)).toBe("2024-01-31 12:00:05");
  expect(formatLine(when, 42, "warning", "spawn failed", { watcher: "web", code: 1 })).toBe(
    "2024-01-31 12:00:05 circus[42] [WARNING] spawn failed watcher=web code=1",
  );
});

it("no fact can forge a line; a stack follows indented", () => {
  const line = formatLine(new Date(), 1, "info", "x\ny", { name: "a\n2024 fake", stack: "Error: z\nat f" });
  expect(line.split("\n")).toHaveLength(3);
  expect(line.split("\n")[2]).toBe("    at f");
});

it("a file is appended to, and opened anew after an outside logrotate", () => {
  const path = join(dir, "circus.log");
  using log = openLog({ level: "info", output: path });
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
  expect(() => openLog({ level: "info", output: path })).toThrow(`cannot open log file '${path}'`);
});

it("goes on when its directory has vanished", () => {
  const path = join(dir, "sub.log");
  using log = openLog({ level: "info", output: path });
  rmSync(dir, { recursive: true });
  log.logger.info("lost");
  expect(existsSync(path)).toBe(false);
  dir = mkdtempSync(join(tmpdir(), "log-"));
});
