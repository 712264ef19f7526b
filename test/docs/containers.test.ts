/**
 * deploy/containers: no container engine is here. Each program looks at the files that its container would have; with
 * `npm run containers` each service gets a machine (see `machine.ts`) with its name, its mounts and its environment, and runs
 * what compose.yaml says, and the page's commands are followed line by line.
 */
import { existsSync } from "node:fs";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { assertNoLeaks } from "../support/leaks.ts";
import { Machines, machinesPermitted } from "../support/machine.ts";
import { projectRoot, type Result, run } from "../support/process.ts";
import { tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { OwnBlocks } from "./taken.ts";

afterAll(() => assertNoLeaks());

const own = await OwnBlocks.of("test/docs/containers.test.ts");

const HOME = join(projectRoot, "deploy/containers");

/** What `Machines` ends when it is disposed of, by program. */
const UNITS: Readonly<Record<string, string>> = {
  "nats-server": "circus-nats",
  "circus-controller": "circus-controller",
  circusd: "circusd",
};

/** By which each program looks at its files and starts nothing. */
const CHECKS: Readonly<Record<string, string>> = {
  "nats-server": "-t",
  "circus-controller": "--check",
  circusd: "--check",
};

interface Service {
  readonly image: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly entrypoint?: readonly string[];
  readonly command: readonly string[];
  readonly hostname?: string;
  readonly profiles?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes: readonly string[];
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
}

async function compose(): Promise<Compose> {
  return parse(await readFile(join(HOME, "compose.yaml"), "utf8"), { merge: true }) as Compose;
}

/** `docker compose …` of the page, in their order. */
function commands(): readonly (readonly string[])[] {
  const block = own.take("deploy/README.md")[0]?.text ?? "";
  return block
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/\s+#.*$/, "").split(" "));
}

/** Of `NAME_OR_PATH:PLACE[:ro]`. */
function mountOf(volume: string): { readonly from: string; readonly to: string } {
  const [from = "", to = ""] = volume.split(":");
  return { from, to };
}

describe("deploy/containers", () => {
  it("compose.yaml has three hosts, a NATS cluster of three and two controllers, and names files that there are", async () => {
    const { services, volumes } = await compose();
    const lasting = Object.entries(services).filter(([, { profiles }]) => profiles === undefined);
    const programs = lasting.map(([, { entrypoint = [], command }]) => [...entrypoint, ...command][0]);
    const count = (program: string): number => programs.filter((one) => one === program).length;
    expect([count("circusd"), count("circus-controller"), count("nats-server"), programs.length]).toEqual([3, 2, 3, 8]);
    for (const [name, { hostname, build, volumes: mounts }] of Object.entries(services)) {
      if (hostname !== undefined) expect(hostname).toBe(name);
      if (build !== undefined) expect(existsSync(join(HOME, build.context, build.dockerfile))).toBe(true);
      for (const { from, to } of mounts.map(mountOf)) {
        expect(to).toMatch(/^\//);
        const isThere = from.startsWith("./fleet") || existsSync(join(HOME, from));
        expect(from.startsWith("./") ? isThere : Object.keys(volumes).includes(from)).toBe(true);
      }
    }
  });

  it("Containerfile copies what there is, packs what is packed, and runs a program of the packages", async () => {
    const text = (await readFile(join(HOME, "Containerfile"), "utf8")).replaceAll("\\\n", " ");
    const steps = text.split("\n").filter((line) => !/^(?:#|$)/.test(line));
    for (const step of steps) expect(step).toMatch(/^(?:FROM|RUN|WORKDIR|COPY|ENV|CMD) /);
    for (const [, from = ""] of text.matchAll(/^COPY (?!--from)(\S+) /gm)) {
      expect(existsSync(join(projectRoot, from))).toBe(true);
    }
    for (const [, name = ""] of text.matchAll(/ -w (\S+)/g)) expect(existsSync(join(projectRoot, name))).toBe(true);
    const { scripts } = JSON.parse(await readFile(join(projectRoot, "package.json"), "utf8")) as { scripts: object };
    expect(Object.keys(scripts)).toContain("build");
    expect(/^CMD \["(\S+)",/m.exec(text)?.[1]).toBe("circusd");
  });

  it("the page names services that there are", async () => {
    const { services } = await compose();
    const named = commands().flatMap(([, , verb, , name = ""]) => (verb === "run" ? [name] : []));
    expect(named).toEqual(["init", "ctl", "ctl"]);
    expect(Object.keys(services)).toEqual(expect.arrayContaining(named));
    expect(own.left).toEqual([]);
  });

  it("each program takes what compose.yaml starts it with", async () => {
    const { services } = await compose();
    await using dir = await tempDir("circus-compose-");
    /** A file of /etc/circus with all paths of the containers below our directory. */
    const here = (text: string): string =>
      text.replaceAll(/\/(?:etc|var\/lib)\/circus/g, (path) => dir.file(`root${path}`));
    const { init, ...others } = services;
    const made = await run(
      "circusctl",
      init!.command.slice(1).map((word) => word.replace("/etc/circus/fleet", dir.file("fleet"))),
    );
    expect([made.code, made.stderr]).toEqual([0, ""]);
    for (const [name, { entrypoint = [], command, environment = {}, volumes }] of Object.entries(others)) {
      for (const { from, to } of volumes.map(mountOf).filter(({ from }) => from.startsWith("./"))) {
        const source = from.startsWith("./fleet") ? dir.file(from) : join(HOME, from);
        expect([name, from, existsSync(source)]).toEqual([name, from, true]);
        await mkdir(dirname(here(to)), { recursive: true });
        await cp(source, here(to), { recursive: true });
        if (/\.(?:conf|ini)$/.test(to))
          await writeFile(
            here(to),
            here(await readFile(source, "utf8"))
              .replaceAll(dir.file("fleet"), here("/etc/circus/fleet"))
              // Here the machine has another name than the container.
              .replace("[fleet]\n", `[fleet]\nhost = ${name}\n`),
          );
      }
      const [program = "", ...words] = [...entrypoint, ...command].map(here);
      const check = CHECKS[program];
      if (check === undefined) expect([name, program]).toEqual(["ctl", "circusctl"]);
      else {
        const { code, stdout, stderr } = await run(program, [check, ...words], { env: environment });
        expect([name, code, code === 0 ? "" : stdout + stderr]).toEqual([name, 0, ""]);
      }
    }
  });
});

if (process.env["CONTAINERS"] !== undefined && machinesPermitted()) {
  it("the page's commands lead to a fleet that restarts in waves", async () => {
    const { services } = await compose();
    await using dir = await tempDir("circus-compose-");
    await cp(HOME, dir.path, { recursive: true });
    const lasting = Object.keys(services).filter((name) => services[name]?.profiles === undefined);
    const names = [...lasting, "tools"];
    await using machines = await Machines.start(names);
    const addresses = names.map((name) => `${machines.network.host(name).address} ${name}\n`).join("");
    /** What the image and the mounts put there. */
    const furnish = async (machine: string, { volumes }: Service): Promise<void> => {
      const root = machines.root(machine);
      await writeFile(join(root, "etc/hosts"), `127.0.0.1 localhost\n${addresses}`);
      await cp(join(HOME, "app"), join(root, "srv/app"), { recursive: true });
      for (const { from, to } of volumes.map(mountOf)) {
        const source = dir.file(from);
        if (!existsSync(source)) await mkdir(source, { recursive: true }); // as an engine does
        await mkdir(dirname(join(root, to)), { recursive: true });
        await cp(source, join(root, to), { recursive: true });
      }
    };
    const lineOf = ({ entrypoint = [], command, environment = {} }: Service): string => {
      const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
      return ["env", ...variables, ...entrypoint, ...command].join(" ");
    };
    const once = async (name: string, words: readonly string[]): Promise<Result> => {
      const service = services[name]!;
      await furnish("tools", service);
      const done = await machines.run(
        "tools",
        lineOf({ ...service, ...(words.length === 0 ? {} : { command: words }) }),
      );
      if (name === "init")
        await cp(join(machines.root("tools"), "etc/circus/fleet"), dir.file("fleet"), { recursive: true });
      return done;
    };
    const begin = async (name: string): Promise<void> => {
      const service = services[name]!;
      await furnish(name, service);
      const [program = ""] = [...(service.entrypoint ?? []), ...service.command];
      const unit = UNITS[program]!;
      const file = join(machines.root(name), `etc/systemd/system/${unit}.service`);
      await writeFile(file, `[Service]\nExecStart=${lineOf(service)}\n`);
      expect(await machines.run(name, `systemctl start ${unit}`)).toMatchObject({ code: 0, stderr: "" });
    };
    const online = async (): Promise<boolean> =>
      (await once("ctl", ["circusctl", "hosts"])).stdout.match(/ online /g)?.length === 3;

    for (const [docker, compose_, verb, ...words] of commands()) {
      expect([docker, compose_]).toEqual(["docker", "compose"]);
      if (verb === "run") {
        const [rm, name = "", ...command] = words;
        expect(rm).toBe("--rm");
        if (name === "ctl") await waitFor(online, { what: "three hosts", deadlineMs: 60_000, everyMs: 200 });
        const { code, stdout, stderr } = await once(name, command);
        expect([words, code, stderr]).toEqual([words, 0, ""]);
        if (command.includes("restart")) expect(stdout).toMatch(/done: 3 of 3 hosts in /);
      } else if (verb === "up") for (const name of lasting) await begin(name);
      else expect(["build", "down"]).toContain(verb);
    }
  }, 180_000);
}
