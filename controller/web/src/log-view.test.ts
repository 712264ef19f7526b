import { describe, expect, it } from "vitest";
import { filtered, NO_ROWS, plainText, ROWS_MAX, withLog } from "./log-view.ts";

const line = (text: string, time: number | null = null) => ({ stream: "stdout", pid: 7, time, line: text });
const texts = (rows: readonly { readonly text: string }[]): string[] => rows.map(({ text }) => text);

describe("withLog", () => {
  it("has the past of several hosts in the order of time, and what comes as it comes", () => {
    const { rows } = withLog(NO_ROWS, [
      { event: "hosts", data: { hosts: ["web1", "web2"] } },
      { event: "past", data: { host: "web1", lines: [line("a", 10), line("c", 30)] } },
      { event: "past", data: { host: "web2", lines: [line("b", 20)] } },
      { event: "lines", data: { host: "web1", lines: [line("d", 5)] } },
    ]);
    expect(texts(rows)).toEqual(["a", "b", "c", "d"]);
    expect(new Set(rows.map(({ key }) => key)).size).toBe(4);
    expect(rows[1]).toMatchObject({ host: "web2", pid: 7, stream: "stdout", isNote: false });
  });

  it("says in between what is missing and who is silent", () => {
    const { rows } = withLog(NO_ROWS, [
      { event: "missed", data: { host: "web1", lines: 7 } },
      { event: "missed", data: { host: "web1", lines: 1 } },
      { event: "missed", data: { host: "web1", lines: null } },
      { event: "trouble", data: { host: "web1", reason: "no answer" } },
      { event: "back", data: { host: "web1" } },
      { event: "refused", data: { host: "web1", reason: "program w not found" } },
    ]);
    expect(texts(rows)).toEqual([
      ...["7 lines left out", "1 line left out", "some lines were left out", "no answer; asking again"],
      ...["it answers again", "program w not found"],
    ]);
    expect(rows.every(({ isNote }) => isNote)).toBe(true);
  });

  it("holds a bounded number of rows, the newest", () => {
    const lines = Array.from({ length: ROWS_MAX + 5 }, (_, n) => line(String(n)));
    const { rows } = withLog(NO_ROWS, [{ event: "lines", data: { host: "web1", lines } }]);
    expect([rows.length, rows[0]?.text]).toEqual([ROWS_MAX, "5"]);
  });
});

it("filters by text and host, and shows no terminal codes", () => {
  const view = withLog(NO_ROWS, [
    { event: "lines", data: { host: "web1", lines: [line("GET /"), line("POST /x")] } },
    { event: "lines", data: { host: "db1", lines: [line("query")] } },
    { event: "missed", data: { host: "db1", lines: 2 } },
  ]);
  expect(texts(filtered(view.rows, " post "))).toEqual(["POST /x", "2 lines left out"]);
  expect(texts(filtered(view.rows, "DB1"))).toEqual(["query", "2 lines left out"]);
  expect(filtered(view.rows, "")).toBe(view.rows);
  expect(plainText("\u001b[1;31mred\u001b[0m x")).toBe("red x");
});
