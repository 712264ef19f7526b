import { expect, it } from "vitest";
import type { ProcessRecord } from "./sampler.ts";
import { processMessages, seriesName, socketMessages } from "./series.ts";

const record = (pid: number, more: Partial<ProcessRecord>): ProcessRecord => ({
  ...{ pid, cmdline: "sleep", username: "root", nice: 0, mem_info1: "1.00M", mem_info2: "2.00M", ctime: "0:00.0" },
  ...{ cpu: 0, mem: 0, create_time: 1, age: 5, children: [], ...more },
});

it("one message per process, then average, sum and oldest (reference §8.2)", () => {
  const records = [record(7, { cpu: 10, mem: 0.5, age: 3, wid: 1, started: 9 }), record(8, { cpu: 20, mem: 0.25 })];
  const [first, second, all] = processMessages("web", records, () => null);
  expect(first?.topic).toBe("stat.web.7");
  expect(first?.payload).toEqual({
    ...{ pid: 7, cmdline: "sleep", username: "root", nice: 0, mem_info1: "1.00M", mem_info2: "2.00M" },
    ...{ ctime: "0:00.0", cpu: 10, mem: 0.5, create_time: 1, age: 3, children: [], subtopic: 7, name: null },
  });
  expect(second?.topic).toBe("stat.web.8");
  expect(all).toEqual({ topic: "stat.web", payload: { pid: [7, 8], cpu: 15, mem: 0.75, age: 5 } });
});

it("N/A of one is N/A of all, but for the age; without a process there is no series", () => {
  const hidden = record(8, { cpu: "N/A", mem: "N/A", age: "N/A" });
  expect(processMessages("web", [record(7, { cpu: 1 }), hidden]).at(-1)?.payload).toEqual({
    ...{ pid: [7, 8], cpu: "N/A", mem: "N/A", age: 5 },
  });
  expect(processMessages("web", [hidden]).at(-1)?.payload).toMatchObject({ age: "N/A" });
  expect(processMessages("web", [])).toEqual([]);
});

it("a watcher's name in a topic is in lower case and one word without dots", () => {
  expect(seriesName("My App 2.0")).toBe("my_app_2-0");
});

it("sockets by descriptor, with their sum", () => {
  const sockets = [
    { fd: 7, name: "web", backlog: 1, host: "127.0.0.1", port: 80 },
    { fd: 8, name: "ux", backlog: 1, path: "/run/ux" },
  ];
  const messages = socketMessages(sockets, new Map([[7, { open: 3, waiting: 1 }]]));
  expect(messages).toEqual([
    { topic: "stat.sockets.7", payload: { fd: 7, subtopic: 7, reads: 3, waiting: 1, address: "127.0.0.1:80" } },
    { topic: "stat.sockets.8", payload: { fd: 8, subtopic: 8, reads: 0, waiting: 0, address: "/run/ux" } },
    { topic: "stat.sockets", payload: { addresses: ["127.0.0.1:80", "/run/ux"], reads: 3 } },
  ]);
  expect(socketMessages([], new Map())).toEqual([]);
});
