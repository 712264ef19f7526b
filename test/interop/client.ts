/** Drives test/fixtures/interop_client.py: what a Python program on pyzmq gets from circusd. */

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { cleanEnv, projectRoot } from "../support/process.ts";
import { python } from "../support/python.ts";
import { within } from "../support/wait.ts";

export type Reply = Readonly<Record<string, unknown>>;

export class PythonClient implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  constructor({ endpoint, pubsubEndpoint }: { readonly endpoint: string; readonly pubsubEndpoint: string }) {
    const script = join(projectRoot, "test/fixtures/interop_client.py");
    this.#child = spawn(python(), [script, endpoint, pubsubEndpoint], {
      env: cleanEnv(),
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#reader = createInterface({ input: this.#child.stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  /** The frames of the reply as text; null where none came. */
  async step(step: object): Promise<unknown> {
    this.#child.stdin.write(`${JSON.stringify(step)}\n`);
    const line = await within(
      `the Python client to do ${JSON.stringify(step).slice(0, 200)}`,
      30_000,
      this.#lines.next(),
    );
    if (line.done === true) throw new Error("the Python client has ended");
    return JSON.parse(line.value);
  }

  /** The one frame of the reply as it was sent. */
  async text(command: string, properties?: object, more: object = {}): Promise<string> {
    const frames = await this.step({ call: { command, ...(properties === undefined ? {} : { properties }), ...more } });
    if (!Array.isArray(frames) || frames.length !== 1) throw new Error(`not one frame: ${JSON.stringify(frames)}`);
    return String(frames[0]);
  }

  /** The reply without `time`, after a look at it, and `id`. */
  async call(command: string, properties?: object): Promise<Reply> {
    const { time, id, ...rest } = JSON.parse(await this.text(command, properties, { id: "0f3c" })) as Reply;
    if (typeof time !== "number" || Math.abs(time - Date.now() / 1000) > 60) throw new Error(`time: ${String(time)}`);
    if (id !== "0f3c") throw new Error(`id: ${String(id)}`);
    return rest;
  }

  /** Topics and pids of the next events. */
  async events(count: number): Promise<readonly (readonly [topic: string, payload: Reply])[]> {
    const events = (await this.step({ events: count })) as [string, string][];
    return events.map(([topic, payload]) => [topic, JSON.parse(payload) as Reply]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.stdin.end();
    await within("the Python client to end", 10_000, ended);
    this.#reader.close();
  }
}
