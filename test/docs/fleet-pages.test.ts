/**
 * The pages that speak of a fleet, followed on one of three hosts. Each command is run as it stands, but for places and ports;
 * what a page shows of a terminal is compared with what comes, but for times, durations, sizes and ids. With DOCS_WRITE=1
 * it is written anew.
 */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { FleetAnswers } from "@circus-cluster/proto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { exampleSections } from "../support/example.ts";
import { RealFleet } from "../support/fleet.ts";
import { Follower } from "../support/follower.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { freePort } from "../support/ports.ts";
import { tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { OwnBlocks } from "./taken.ts";

const HOSTS = ["web1", "web2", "web3"];
const WEB = '#!/usr/bin/python3\nimport time\nwhile True:\n    print("GET / 200", flush=True)\n    time.sleep(1)\n';

const SICK = `[watcher:sick]
cmd = sleep 1000
healthcheck.type = exec
healthcheck.cmd = echo no disk >&2; exit 1
healthcheck.interval = 500ms
healthcheck.retries = 1
healthcheck.start_period = 0s
healthcheck.on_unhealthy = ignore
`;

const own = await OwnBlocks.of("test/docs/fleet-pages.test.ts");
let fleet: RealFleet;
let follower: Follower;
const begun: AsyncDisposable[] = [];

const ini = (host: string): string => fleet.host(host).agent.iniFile;

beforeAll(async () => {
  const place = await tempDir("circus-pages-");
  begun.push(place);
  const web = await place.write("bin/web", WEB, 0o755);
  const example = await exampleSections();
  const httpPort = await freePort();
  fleet = await RealFleet.start(HOSTS, {
    ...{ isOnLoopback: true, starting: 3, httpPort },
    labelsOf: (host) => `role:web, zone:${host === "web3" ? "b" : "a"}`,
    sections: (host) => ({
      ...example,
      "watcher:myworker": {
        ...{ ...example["watcher:myworker"], "ready.min_uptime": "200ms" },
        "stderr_stream.filename": place.file(`${host}-myworker.log`),
      },
      "watcher:web": {
        ...{ cmd: "bin/web", working_dir: dirname(dirname(web)), "ready.min_uptime": "200ms" },
        "stdout_stream.filename": place.file(`${host}.log`),
        "stdout_stream.time_format": "%Y-%m-%d %H:%M:%S",
      },
    }),
  });
  begun.push(fleet);
  const home = await mkdir(fleet.dir.file("home"), { recursive: true });
  // Ports and names of files are each host's own here, and so in a file that the one that is pushed includes.
  for (const host of HOSTS) {
    const text = await readFile(ini(host), "utf8");
    const section = (name: string): string => new RegExp(`^\\[${name}\\]\\n(?:\\S.*\\n)*`, "m").exec(text)?.[0] ?? "";
    const [worker, logs] = section("watcher:myworker").split(/^(?=stderr_stream)/m);
    const local = `${section("circus")}${section("socket:myworker")}${section("watcher:web")}`;
    await writeFile(join(dirname(ini(host)), "local.ini"), local);
    await writeFile(ini(host), `[circus]\ninclude = local.ini\n\n${worker}\n${section("fleet")}`);
    expect(logs).toMatch(/^stderr_stream/);
  }
  await whole();
  const agent = fleet.host("web1").agent;
  follower = new Follower({
    cwd: fleet.dir.path,
    env: {
      ...{ CIRCUSCTL_NATS: fleet.server.url, CIRCUSCTL_CREDS: fleet.credentials("operator-admin") },
      ...{ CIRCUSCTL_ENDPOINT: agent.endpoint, TZ: "UTC", HOME: home ?? "", XDG_CONFIG_HOME: fleet.dir.file("home") },
    },
    ...{ played, before: newest },
    // On a busy machine a heartbeat may be a second old when it is read.
    ignored: /^warning +host clocks +off: /,
    // Times that a page waits are shorter, what is made is made elsewhere.
    instead: [
      ["--soak 10s", "--soak 1s"],
      ["--batch 1,5,20%", "--batch 1,5,20% --soak 0s"],
      ["--canary-pause 1m", "--canary-pause 1s --soak 0s"],
      ["--canary-pause 10m", "--canary-pause 1s --soak 0s"],
      ["--on-fail rollback", "--on-fail rollback --soak 0s"],
      ["config rollback", "config rollback --soak 0s"],
      ["--dir fleet --fleet main", "--dir new/fleet --fleet main"],
      ["nats-server -c fleet/", "nats-server -t -c new/fleet/"],
      ["source <(circusctl completion zsh)", "circusctl completion zsh"],
      ["…/api/", `http://127.0.0.1:${httpPort}/api/`],
      ["/backup/circus-monday", fleet.dir.file("backup/circus-monday")],
      ["/etc/circus/agent-web1.creds", fleet.credentials("agent-web1")],
      ["/etc/circus/controller.creds", fleet.credentials("controller")],
      ["sport = :5555", `sport = :${agent.endpoint.split(":").at(-1)}`],
    ],
    // What pages show, what it is here.
    places: [
      ["tls://nats.example:4222", fleet.server.url],
      ["nats.example:4222", fleet.server.url.replace("nats://", "")],
      ["tcp://127.0.0.1:5556", agent.pubsubEndpoint],
      ["tcp://127.0.0.1:5555", agent.endpoint],
      ["http://127.0.0.1:8090", `http://127.0.0.1:${httpPort}`],
      ["/etc/circus/fleet", fleet.dir.file("fleet")],
      ["/etc/circus/controller.ini", fleet.dir.file("controller.ini")],
      ["/etc/circus/circus.ini", ini("web1")],
      ["/var/lib/circus-controller", fleet.controllerState()],
    ],
  });
  begun.push(follower);
});

afterAll(async () => {
  for (const one of begun.splice(0).reverse()) await one[Symbol.asyncDispose]();
  await assertNoLeaks();
});

/** Every watcher on every host is healthy. */
async function whole(): Promise<void> {
  await waitFor(
    async () => {
      const { hosts } = await fleet.json<FleetAnswers["status"]>("--all status");
      const isWell = ({ presence, watchers }: (typeof hosts)[number]): boolean =>
        presence === "online" &&
        watchers.length === 2 &&
        watchers.every(({ healthy, numprocesses }) => healthy === numprocesses);
      if (hosts.length !== 3 || !hosts.every(isWell)) throw new Error(JSON.stringify(hosts));
      return true;
    },
    { what: "three whole hosts", deadlineMs: 60_000, everyMs: 200 },
  );
}

/** What a page's own section needs, before and after it. */
interface Scene {
  readonly before?: () => Promise<void>;
  readonly after?: () => Promise<void>;
}

async function follow(page: string, scenes: Readonly<Record<string, Scene>> = {}): Promise<void> {
  const blocks = own.take(page);
  const sections = [...new Set(blocks.map(({ section }) => section))];
  for (const title of Object.keys(scenes)) expect(sections).toContain(title);
  for (const section of sections) {
    await scenes[section]?.before?.();
    await follower.blocks(
      page,
      blocks.filter((block) => block.section === section),
    );
    await scenes[section]?.after?.();
  }
}

/** A command that is on no page. */
async function type(command: string): Promise<void> {
  await follower.run(command);
}

async function ctl(line: string): Promise<void> {
  const { code, stdout, stderr } = await fleet.ctl(line);
  if (code !== 0) throw new Error(`circusctl ${line}: exit ${code}\n${stdout}${stderr}`);
}

async function endRollouts(): Promise<void> {
  await waitFor(
    async () => {
      const { rollouts } = await fleet.json<FleetAnswers["rollout-list"]>("rollout list");
      return rollouts.every(({ state }) => /^(?:done|failed|aborted)$/.test(state));
    },
    { what: "the rollouts to end", deadlineMs: 60_000, everyMs: 200 },
  );
}

const agentOf = (host: string) => fleet.host(host).agent;

/** `systemctl VERB UNIT`, here or on a host. */
async function systemctl(verb: string, unit: string, host: string): Promise<void> {
  const stops = verb !== "start";
  const starts = verb !== "stop";
  // Told to end, it takes its time to do so.
  if (verb === "start" && unit === "circusd") await agentOf(host).program.exited;
  if (unit === "circusd") {
    await (starts ? agentOf(host).restart() : agentOf(host).stop());
    // Who types the next command takes longer than the agent to connect.
    const isThere = async (): Promise<boolean> => (await fleet.ctl(`--host ${host} list web`)).code === 0;
    if (starts) await waitFor(isThere, { what: `${host} to be back`, deadlineMs: 60_000, everyMs: 200 });
  } else {
    if (stops) await fleet.stopController();
    if (starts) await fleet.startController();
  }
}

function played(command: string): Promise<readonly string[]> | null {
  const [, host, rest = command] = /^ssh (\w+) (.*)$/.exec(command) ?? [];
  const [, verb, unit] = /^systemctl (start|stop|restart) ([\w-]+)$/.exec(rest) ?? [];
  if (verb !== undefined && unit !== undefined) return systemctl(verb, unit, host ?? "web1").then(() => []);
  if (host === undefined) return null;
  return follower.run(`CIRCUSCTL_ENDPOINT=${agentOf(host).endpoint} ${rest}`).then(({ lines }) => lines);
}

/** `ID` on a page is the newest rollout. */
async function newest(command: string, to: Follower): Promise<void> {
  if (!/ ID\b/.test(command)) return;
  const { rollouts } = await fleet.json<FleetAnswers["rollout-list"]>("rollout list --limit 1");
  to.put(" ID", ` ${rollouts[0]?.id ?? ""}`);
}

it("README.md", async () => {
  await follow("README.md", {
    "A fleet": { before: () => type(`ln -sf ${fleet.credentials("operator-admin")} home/`) },
  });
});

it("cli/README.md", async () => {
  const files = `circusctl --host web1 config show > web.ini && cp ${fleet.credentials("operator-admin")} admin.creds`;
  let timer: NodeJS.Timeout | undefined;
  await follow("cli/README.md", {
    Completion: {
      before: async () => {
        await mkdir(fleet.dir.file("home/.config/fish/completions"), { recursive: true });
      },
    },
    listen: {
      before: () => {
        timer = setInterval(() => void agentOf("web1").call("restart", { name: "web" }), 700);
        return Promise.resolve();
      },
      after: async () => {
        clearInterval(timer);
        await whole();
      },
    },
    "While it runs": {
      before: async () => {
        await endRollouts();
        await whole();
        await ctl("--all restart web --batch 1 --soak 0s --wait 60s --detach");
      },
      after: endRollouts,
    },
    config: {
      before: async () => {
        await whole();
        await follower.run(files);
        await follower.run("sed -i '/^\\[fleet\\]/,$d; s/^copy_env.*/&\\ngraceful_timeout = 20/' web.ini");
      },
      after: whole,
    },
  });
});

it("controller/README.md", async () => {
  await fleet.dir.write(
    "notify.ini",
    `${await readFile(fleet.dir.file("controller.ini"), "utf8")}\n[notify:oncall]\ncommand = true\n`,
  );
  await mkdir(fleet.dir.file("backup"));
  await follow("controller/README.md", {
    rebuild: { before: () => fleet.stopController(), after: () => fleet.startController() },
    Notifications: {
      before: () => {
        follower.put(" controller.ini --rule", " notify.ini --rule");
        return Promise.resolve();
      },
    },
    Tokens: { before: async () => type(`TOKEN=${await fleet.token("look", "viewer")}`) },
    "Questions and changes": {
      before: async () => {
        const token = await fleet.token("act", "operator");
        await fleet.dir.write(
          "home/.curlrc",
          `header = "Authorization: Bearer ${token}"\nfail\nsilent\nretry = 20\nretry-delay = 1\nretry-all-errors\n`,
        );
      },
      after: async () => {
        await rm(fleet.dir.file("home/.curlrc"));
        await follower.run("circusctl rollout abort ID");
        await endRollouts();
        await whole();
      },
    },
  });
});

/** With `npm run pages`: they provoke trouble, and wait for it, for about a minute. */
if (process.env["PAGES"] !== undefined) {
  it("deploy/guides/operations.md", async () => {
    await follower.run(`TOKEN=${await fleet.token("prometheus", "viewer")}`);
    await follow("deploy/guides/operations.md", {
      "Replace a host": {
        after: async () => {
          await agentOf("web3").restart();
          await whole();
        },
      },
    });
  });

  it("deploy/guides/security.md", async () => {
    await follow("deploy/guides/security.md", {
      "With one host's key": {
        after: async () => {
          await agentOf("web1").restart();
          await whole();
        },
      },
    });
  });

  it("deploy/guides/troubleshooting.md", async () => {
    const add = async (name: string, cmd: string, options: Readonly<Record<string, unknown>>): Promise<void> => {
      const { reason } = await agentOf("web1").call("add", { name, cmd, start: true, options });
      expect([name, reason]).toEqual([name, undefined]);
    };
    const remove = async (name: string): Promise<void> => {
      expect(await agentOf("web1").call("rm", { name, waiting: true }, 60_000)).toMatchObject({ status: "ok" });
    };
    await fleet.dir.write(
      "broken.ini",
      "[watcher:web]\ncmd = bin/web\nnumproceses = 2\nrespawn = perhaps\ndepends_on = db\n",
    );
    await fleet.dir.write(
      "taken.ini",
      `[circus]\nendpoint = ${agentOf("web1").endpoint}\n[watcher:web]\ncmd = sleep 1\n`,
    );
    const file = join(dirname(ini("web1")), "local.ini");
    const local = await readFile(file, "utf8");
    const setLocal = async (text: string): Promise<void> => {
      await writeFile(file, text);
      expect(await agentOf("web1").call("reloadconfig", { waiting: true }, 60_000)).toMatchObject({ status: "ok" });
    };
    await follow("deploy/guides/troubleshooting.md", {
      // It takes 20 s until a host is lost.
      "It does not start": {
        before: async () => {
          await agentOf("web3").kill9();
        },
      },
      "A watcher is failed": { before: () => add("ill", "/srv/none", { max_retry: 2 }), after: () => remove("ill") },
      "A watcher flaps": {
        before: () =>
          add("flappy", "sh -c 'echo no database; exit 1'", { "stdout_stream.filename": fleet.dir.file("flappy.log") }),
        after: () => remove("flappy"),
      },
      "Processes are not healthy": { before: () => setLocal(`${local}\n${SICK}`), after: () => setLocal(local) },
      "A host is lost": {
        after: async () => {
          await agentOf("web3").restart();
          await whole();
        },
      },
      "NATS is gone": {
        before: () => fleet.server.stop(),
        after: async () => {
          await fleet.server.restart();
          await whole();
        },
      },
      "No controller answers": {
        before: () => fleet.killController(),
        after: async () => {
          await fleet.startController();
          await whole();
        },
      },
      "A rollout waits": { before: () => ctl("--all restart web --canary 1 --soak 0s --detach"), after: endRollouts },
      "A rollout failed": {
        after: async () => {
          await ctl("--all set web cmd bin/web --at-once --soak 0s");
          await whole();
        },
      },
      "Credentials are refused": {
        before: async () => {
          await ctl(`fleet issue --dir ${fleet.dir.file("fleet")} --role viewer --name mallory`);
          await follower.run("cp fleet/creds/viewer-mallory.creds mallory.creds");
          await ctl(`fleet revoke mallory --dir ${fleet.dir.file("fleet")}`);
          await follower.run(
            "cp -p mallory.creds fleet/creds/viewer-mallory.creds; chmod 600 fleet/creds/viewer-mallory.creds",
          );
        },
      },
      "Clocks differ": {
        before: async () => {
          const clock = "const now = Date.now; Date.now = () => now() + 150000;";
          await fleet.dir.write("clock.mjs", clock);
          await follower.run(`export NODE_OPTIONS=--import=${fleet.dir.file("clock.mjs")}`);
        },
        after: () => type("unset NODE_OPTIONS"),
      },
    });
  });

  it("has run every block", () => {
    expect(own.left).toEqual([]);
  });
}
