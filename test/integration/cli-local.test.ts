/** `circusctl` for the local agent, against a ROUTER that answers what a real circusd answered (reference §5.6, §5.7). */
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import * as zmq from "zeromq";
import { readArgv } from "../../cli/src/argv.ts";
import { VERBS } from "../../cli/src/verbs.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { freePort } from "../support/ports.ts";
import { projectRoot, type Result, run } from "../support/process.ts";
import { tempDir } from "../support/temp.ts";

zmq.context.blocky = false;

const circusctl = join(projectRoot, "cli/bin/circusctl.cjs");

type Request = Readonly<Record<string, unknown>>;

/** A daemon of one socket: replies are JSON texts without their id, so that numbers stay as they were written. */
class FakeDaemon {
  readonly endpoint: string;
  readonly requests: Request[] = [];
  /** What to send back for a request, in order; null: say nothing. */
  answer: (request: Request) => readonly string[] | null = () => null;
  readonly #socket = new zmq.Router({ linger: 0 });

  constructor(port: number) {
    this.endpoint = `tcp://127.0.0.1:${port}`;
  }

  async open(): Promise<void> {
    await this.#socket.bind(this.endpoint);
    void this.#serve();
  }

  close(): void {
    this.#socket.close();
  }

  async #serve(): Promise<void> {
    for await (const [identity, frame, ...more] of this.#socket) {
      const request = JSON.parse(String(frame)) as Request;
      this.requests.push({ ...request, identity: String(identity), frames: 2 + more.length });
      for (const reply of this.answer(request) ?? []) await this.#socket.send([identity ?? "", reply]);
    }
  }
}

const withId = (reply: string, id: unknown): string => `${reply.slice(0, -1)},"id":${JSON.stringify(id)}}`;

let daemon: FakeDaemon;

beforeEach(async () => {
  daemon = new FakeDaemon(await freePort());
  await daemon.open();
});
afterEach(() => daemon.close());
afterAll(() => assertNoLeaks());

/** Replies `reply` to everything. */
function replies(reply: string): void {
  daemon.answer = ({ id }) => [withId(reply, id)];
}

async function ctl(args: readonly string[], env: Record<string, string> = {}): Promise<Result> {
  return await run(circusctl, args, { env: { CIRCUSCTL_ENDPOINT: daemon.endpoint, ...env } });
}

const INFO =
  '{"pid":12,"cmdline":"sleep","username":"root","nice":0,"mem_info1":"1.44M","mem_info2":"2.44M","cpu":0.0,"mem":0.006,"ctime":"0:00.0","children":[]}';
const INFO_TEXT = "12  sleep root 0 1.44M 2.44M 0.0 0.006 0:00.0";

/** Command line, what the daemon answers, stdout. All verbs of the table are in it. */
const VERBATIM: readonly (readonly [string, string, string])[] = [
  ["status", '{"status":"ok","time":1.5,"statuses":{"b":"active","A":"stopped"}}', "A: stopped\nb: active\n"],
  ["status b", '{"status":"active","time":1.5}', "active\n"],
  ["list", '{"status":"ok","watchers":["a","b"]}', "a,b\n"],
  ["list b", '{"status":"ok","pids":[5836,5837]}', "5836,5837\n"],
  ["numprocesses", '{"status":"ok","numprocesses":4}', "4\n"],
  ["numwatchers", '{"status":"ok","numwatchers":3}', "3\n"],
  ["stats b", `{"status":"ok","name":"b","info":{"12":${INFO}}}`, `b:\n12: ${INFO_TEXT}\n`],
  ["stats b 12", `{"status":"ok","process":12,"info":${INFO}}`, `12: ${INFO_TEXT}\n\n`],
  ["dstats", `{"status":"ok","info":${INFO}}`, `Main Process:\n    ${INFO_TEXT}\n`],
  [
    "options b",
    '{"status":"ok","options":{"cmd":"x","graceful_timeout":30.0,"uid":null}}',
    "cmd: x\ngraceful_timeout: 30.0\nuid: \n",
  ],
  [
    "get b env shell",
    '{"status":"ok","options":{"env":{"K":"V","A":"1"},"shell":false}}',
    "env: A=1,K=V\nshell: False\n",
  ],
  ["globaloptions", '{"status":"ok","options":{"check_delay":5.0}}', "check_delay: 5.0\n"],
  [
    "listsockets",
    '{"status":"ok","sockets":[{"fd":8,"name":"w","backlog":9,"host":"::1","port":80}]}',
    "8:socket 'w' at ::1:80\n",
  ],
  ["start b --waiting", '{"status":"ok","info":{"started":[1],"kept":[]}}', "ok\n"],
  ["stop --match regex ^b", '{"status":"ok"}', "ok\n"],
  ["restart b", '{"status":"ok"}', "ok\n"],
  ["reload --terminate", '{"status":"ok"}', "ok\n"],
  ["incr b 2 --waiting", '{"status":"ok","numprocesses":4}', "4\n"],
  [
    "decr b",
    '{"status":"ok","numprocesses":1,"singleton":true}',
    "This watcher is a Singleton - not changing the number of processes\n",
  ],
  ["set b max_age 3 send_hup true", '{"status":"ok"}', "ok\n"],
  ["signal b 12 TERM --recursive", '{"status":"ok"}', "ok\n"],
  ["kill b --signum 9 --graceful_timeout 1.5", '{"status":"ok"}', "ok\n"],
  ["add --start b sleep 9", '{"status":"ok"}', "ok\n"],
  ["rm b --nostop --waiting", '{"status":"ok"}', "ok\n"],
  ["drain b --waiting", '{"status":"ok","called":true}', "ok\n"],
  ["undrain b", '{"status":"ok"}', "ok\n"],
  ["reloadconfig --waiting", '{"status":"ok"}', "ok\n"],
  ["ipython", '{"status":"ok","shell":false,"msg":"no shell here"}', "error: Could not start ipython kernel\n"],
  ["quit --waiting", '{"status":"ok"}', "ok\n"],
];

/** The same request, but parsed by oclif. */
async function throughOclif(args: readonly string[]): Promise<Result> {
  const line = readArgv(args);
  if (line.kind !== "run") throw new Error(`${args.join(" ")}: ${line.kind}`);
  const script = `require(process.argv[1]).runThroughOclif(JSON.parse(process.argv[2])).then((code) => process.exit(code));`;
  const oclif = join(projectRoot, "cli/dist/oclif.cjs");
  return await run(process.execPath, ["-e", script, oclif, JSON.stringify(line.request)], {
    env: { CIRCUSCTL_ENDPOINT: daemon.endpoint },
  });
}

describe("circusctl, local", () => {
  it.each(VERBATIM)("%s: the same text through the thin entry and through oclif", async (line, reply, text) => {
    replies(reply);
    const args = line.split(" ");
    const plain = await ctl(args);
    expect(plain).toMatchObject({ code: 0, stdout: text, stderr: "" });
    expect(await throughOclif(args)).toMatchObject({ code: 0, stdout: text, stderr: "" });
    const [first, second] = daemon.requests.map(({ command, properties }) => ({ command, properties }));
    expect(daemon.requests).toHaveLength(2);
    expect(second).toEqual(first);
    expect(first?.command).toBe(args[0]);
  });

  it("has a text above for every verb of agents", () => {
    const shown = new Set(VERBATIM.map(([line]) => line.split(" ")[0]));
    const agents = [...VERBS.values()].filter(({ command }) => command !== null).map(({ name }) => name);
    expect(agents.filter((name) => !shown.has(name))).toEqual([]);
  });

  it("sends one frame, with an identity and an id of 32 hex digits", async () => {
    replies('{"status":"ok"}');
    await ctl(["restart", "web"]);
    const [request] = daemon.requests;
    expect(request).toMatchObject({ command: "restart", properties: { name: "web" }, frames: 2 });
    expect(request?.["id"]).toMatch(/^[0-9a-f]{32}$/);
    expect(request?.["identity"]).toMatch(/^[0-9a-f]{32}$/);
  });

  it("prints an error reply on stderr and ends with 3", async () => {
    replies('{"status":"error","reason":"program x not found","tb":null,"time":1.5,"errno":3}');
    expect(await ctl(["stop", "x"])).toMatchObject({ code: 3, stdout: "", stderr: "error: program x not found\n" });
    expect(await ctl(["status", "x"])).toMatchObject({ code: 3, stdout: "", stderr: "error\n" });
    expect(await throughOclif(["stop", "x"])).toMatchObject({ code: 3, stderr: "error: program x not found\n" });
  });

  it("--json prints the reply as Python would, on one line, and ends with 0, for errors too", async () => {
    daemon.answer = ({ id }) => [
      withId('{"status":"error","reason":"pas trouvé","tb":null,"time":1700000000.0,"errno":3}', id),
    ];
    const result = await ctl(["--json", "stop", "x"]);
    const id = String(daemon.requests[0]?.["id"]);
    const text = `{"status": "error", "reason": "pas trouv\\u00e9", "tb": null, "time": 1700000000.0, "errno": 3, "id": "${id}"}\n`;
    expect(result).toMatchObject({ code: 0, stdout: text, stderr: "" });
    const pretty = await ctl(["stop", "x", "--json", "--prettify"]);
    expect(pretty.stdout.split("\n").slice(0, 3)).toEqual([
      "{",
      '  "errno": 3,',
      `  "id": "${String(daemon.requests[1]?.["id"])}",`,
    ]);
  });

  it("takes no reply that belongs to another question", async () => {
    daemon.answer = ({ id }) => [
      withId('{"status":"ok","numwatchers":1}', "0".repeat(32)),
      withId('{"status":"ok","numwatchers":2}', id),
    ];
    expect(await ctl(["numwatchers"])).toMatchObject({ code: 0, stdout: "2\n" });
  });

  it("says where it asked and what to do when nobody answers, and ends with 1", async () => {
    const result = await ctl(["--timeout", "0.3", "status"]);
    expect(result.code).toBe(1);
    expect(result.stdout).toBe("");
    expect(result.stderr.split("\n").slice(0, 2)).toEqual([
      "Timed out.",
      `No answer from ${daemon.endpoint} within 300ms.`,
    ]);
    expect(result.stderr).toContain("circusd FILE.ini");
    expect(result.tookMs).toBeLessThan(5000);
  });

  it("an undelivered request does not keep it alive", async () => {
    const result = await ctl(["--timeout=0.3", "--endpoint", `tcp://127.0.0.1:${await freePort()}`, "status"]);
    expect(result.code).toBe(1);
    expect(result.tookMs).toBeLessThan(5000);
  });

  it.each<[string, number, string]>([
    ["--endpoint nonsense status", 1, 'circusctl: cannot connect to "nonsense": Invalid argument\n'],
    ["--endpoint tcp://host status", 1, 'circusctl: cannot connect to "tcp://host": Invalid argument\n'],
    ["incr web x", 1, 'incr: NB "x" is no whole number; usage: circusctl incr NAME [N] [--waiting]\n'],
    ["set web nope 1", 1, "unknown key 'nope'\n"],
    ["restart web --batch 2", 2, "circusctl: --batch needs hosts: --all, --host or --where\n"],
    ["--all --host a status", 2, "circusctl: --all and --host exclude each other\n"],
    ["--timeout soon status", 2, 'circusctl: --timeout "soon" is no time such as 10s or 1m30s\n'],
    [
      "statsu",
      2,
      "circusctl: unknown command 'statsu'; did you mean 'status'?\nusage: circusctl [options] command [args]; try circusctl --help\n",
    ],
    ["help statsu", 2, "circusctl: unknown command 'statsu'; did you mean 'status'?\n"],
    ["--all quit", 2, "circusctl: quit works on the local agent only: without --all, --host and --where\n"],
    [
      "--all kill web",
      2,
      "circusctl: kill would go to all of these hosts together; say so with --at-once, or name them by --host\n",
    ],
  ])("%s: exit %i and one clear line", async (line, code, stderr) => {
    expect(await ctl(line.split(" "))).toMatchObject({ code, stdout: "", stderr });
    expect(daemon.requests).toEqual([]);
  });

  it("refuses a reply that is none", async () => {
    daemon.answer = () => ["hello"];
    const result = await ctl(["status"]);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain(`${daemon.endpoint} does not speak Circus's protocol`);
  });

  it("prints the version that Salt splits, and help that names every verb", async () => {
    expect(await ctl(["--version"])).toMatchObject({ code: 0, stdout: "circusctl 0.19.0\n", stderr: "" });
    for (const args of [["--help"], ["help"]]) {
      const help = await ctl(args);
      expect(help).toMatchObject({ code: 0, stderr: "" });
      for (const name of VERBS.keys()) expect(help.stdout).toMatch(new RegExp(`^ {2}${name}\\b`, "m"));
    }
    const restart = await ctl(["help", "restart"]);
    expect(restart.code).toBe(0);
    for (const word of ["--match", "--waiting", "--soak", "--endpoint"]) expect(restart.stdout).toContain(word);
    expect((await ctl(["restart", "--help"])).stdout).toBe(restart.stdout);
    expect((await ctl(["rollout", "--help"])).stdout).toContain("rollout show");
  });

  it("a plain local verb loads neither oclif nor NATS", async () => {
    await using dir = await tempDir();
    const hook = await dir.write(
      "hook.cjs",
      'process.on("exit", () => process.stderr.write(Object.keys(require.cache).join("\\n")));',
    );
    replies('{"status":"ok","statuses":{}}');
    const { stderr } = await ctl(["status"], { NODE_OPTIONS: `--require ${hook}` });
    const files = stderr.split("\n").filter((file) => file !== hook);
    expect(files.some((file) => file.includes("/zeromq/"))).toBe(true);
    expect(files.filter((file) => /oclif|fleet\.cjs|valibot|node_modules\/nats/.test(file))).toEqual([]);
  });
});
