import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Publisher, Router } from "zeromq";
import { CircusClient, CircusEvents } from "./client.ts";

let dir: string;
let ends: (() => unknown)[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "client-"));
  ends = [];
});
afterEach(async () => {
  for (const end of ends.reverse()) await end();
  rmSync(dir, { recursive: true });
});

const endpoint = () => `ipc://${join(dir, "endpoint")}`;

function client(timeoutMs = 10_000): CircusClient {
  const made = new CircusClient({ endpoint: endpoint(), timeoutMs });
  ends.push(() => made.close());
  return made;
}

interface Request {
  readonly id?: string;
  readonly command: string;
  readonly properties: Record<string, unknown>;
  readonly msg_type?: string;
}
type Reply = (body: unknown) => Promise<void>;

/** A server that leaves its answers to the test. */
async function serve(answer: (request: Request, reply: Reply) => unknown): Promise<Request[]> {
  const router = new Router({ linger: 0 });
  await router.bind(endpoint());
  const requests: Request[] = [];
  const reading = (async () => {
    for await (const [identity, payload] of router) {
      const request = JSON.parse(String(payload)) as Request;
      requests.push(request);
      await answer(request, (body) => router.send([identity!, typeof body === "string" ? body : JSON.stringify(body)]));
    }
  })();
  ends.push(async () => {
    router.close();
    await reading;
  });
  return requests;
}

const ok = (request: Request, more: object = {}) => ({ status: "ok", time: 1.5, ...more, id: request.id });

describe("CircusClient", () => {
  it("gives each request its own reply, in whatever order they come, without the id", async () => {
    const held: (() => Promise<void>)[] = [];
    await serve(async (request, reply) => {
      held.push(() => reply(ok(request, { said: request.properties["n"] })));
      if (held.length === 3) for (const send of held.reverse()) await send();
    });
    const asking = client();
    const replies = await Promise.all([1, 2, 3].map((n) => asking.call("echo", { n })));
    expect(replies).toEqual([1, 2, 3].map((said) => ({ status: "ok", time: 1.5, said })));
  });

  it("ignores what belongs to no request of its own and what is no reply", async () => {
    await serve(async (request, reply) => {
      await reply("no json");
      await reply(["a list"]);
      await reply({ status: "ok", id: "somebody else's" });
      await reply({ id: request.id, no: "status" });
      await reply(ok(request, { right: true }));
      await reply(ok(request, { again: true }));
    });
    expect(await client().call("list")).toEqual({ status: "ok", time: 1.5, right: true });
  });

  it("takes an error for a reply, and `ask` throws its reason with the code of its errno", async () => {
    await serve((request, reply) =>
      reply({ status: "error", reason: "program x not found", tb: null, time: 1.5, errno: 3, id: request.id }),
    );
    const asking = client();
    expect(await asking.call("stop", { name: "x" })).toMatchObject({ status: "error", errno: 3 });
    await expect(asking.ask("stop", { name: "x" })).rejects.toMatchObject({
      code: "message",
      message: "program x not found",
    });
  });

  it("gives up after its time, says on whom, and goes on", async () => {
    await serve((request, reply) => (request.command === "slow" ? undefined : reply(ok(request))));
    const asking = client();
    await expect(asking.call("slow", {}, { timeoutMs: 50 })).rejects.toThrow(
      `${endpoint()} did not answer 'slow' within 50 ms`,
    );
    expect(await asking.call("quick")).toMatchObject({ status: "ok" });
  });

  it("never delivers later what nobody waits for any more", async () => {
    const asking = client();
    await expect(asking.call("stop", {}, { timeoutMs: 50 })).rejects.toThrow("did not answer");
    await expect(asking.cast("quit", {}, { timeoutMs: 50 })).rejects.toThrow("did not answer");
    const requests = await serve((request, reply) => reply(ok(request)));
    await asking.call("list");
    expect(requests.map(({ command }) => command)).toEqual(["list"]);
  });

  it("casts without an id", async () => {
    const requests = await serve((request, reply) => (request.msg_type === "cast" ? undefined : reply(ok(request))));
    const asking = client();
    await asking.cast("stop", { name: "web" });
    await asking.call("list");
    expect(requests[0]).toEqual({ command: "stop", properties: { name: "web" }, msg_type: "cast" });
  });

  it("lets go whoever waits when it is closed, also twice", async () => {
    const asking = client();
    const waiting = expect(asking.call("list")).rejects.toThrow("the client is closed");
    await Promise.all([asking.close(), asking.close()]);
    await waiting;
    await expect(asking.call("list")).rejects.toThrow("the client is closed");
    await expect(asking.cast("list")).rejects.toThrow("the client is closed");
  });

  it("refuses an endpoint that is none with one line", () => {
    expect(() => new CircusClient({ endpoint: "nonsense" })).toThrow(/^cannot connect to "nonsense": /);
  });
});

it("CircusEvents gives what the watchers asked for did, and ends when it is closed", async () => {
  const pub = new Publisher({ linger: 0 });
  await pub.bind(endpoint());
  ends.push(() => pub.close());
  const events = new CircusEvents({ endpoint: endpoint(), watchers: ["My App"] });
  await events.connected();
  const sending = (async () => {
    for (let n = 0; !pub.closed && n < 1000; n++) {
      await pub.send(["watcher.my_app_2.spawn", '{"process_pid":1}']);
      await pub.send(["watcher.my_app.spawn", "no json"]);
      await pub.send(["watcher.my_app.spawn", `{"process_pid":5}`]);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  const got: unknown[] = [];
  for await (const event of events) {
    got.push(event);
    if (got.length === 2) events.close();
  }
  expect(got).toEqual([1, 2].map(() => ({ watcher: "my_app", event: "spawn", payload: { process_pid: 5 } })));
  pub.close();
  await sending.catch(() => undefined);
});
