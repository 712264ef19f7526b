/** deploy/guides/three-machines.md, followed step by step on three machines; then one of them loses its nats-server and its controller. */
import { afterAll, describe, expect, it } from "vitest";
import { assertNoLeaks } from "../support/leaks.ts";
import { Machines, machinesPermitted } from "../support/machine.ts";
import { waitFor } from "../support/wait.ts";
import { OwnBlocks } from "./taken.ts";

afterAll(() => assertNoLeaks());

const ALL = ["node1", "node2", "node3"];
/** Where each block of the section is run, in their order. */
const PLACES: readonly (readonly string[])[] = [
  ALL, // programs
  ["node1"], // keys
  ["node1"], // their distribution
  ALL, // NATS
  ["node1", "node2"], // controllers
  ALL, // agents
  ["node1"], // operators
  ["node1"], // a machine more
];
const OPERATOR = 6;

const own = await OwnBlocks.of("test/docs/three-machines.test.ts");
const steps = own.take("deploy/guides/three-machines.md").map(({ text }) => text);

interface HostsDocument {
  readonly hosts: readonly { readonly host: string; readonly presence: string }[];
}

it("every block of the page has its machines", () => {
  expect(steps).toHaveLength(PLACES.length);
});

if (machinesPermitted()) {
  describe("deploy/guides/three-machines.md", () => {
    it("goes from nothing to a fleet that outlives the loss of a server and its controller", async () => {
      await using machines = await Machines.start(ALL);
      const said: string[] = [];
      const follow = async (at: number): Promise<void> => {
        for (const place of PLACES[at] ?? []) {
          const { code, stdout, stderr } = await machines.run(place, steps[at] ?? "");
          expect([at, place, code, code === 0 ? "" : stdout + stderr]).toEqual([at, place, 0, ""]);
          said.push(stdout);
        }
      };
      const presences = async (on: string): Promise<string> => {
        const { code, stdout, stderr } = await machines.run(on, "circusctl hosts --json");
        if (code !== 0) throw new Error(stderr);
        const { hosts } = JSON.parse(stdout) as HostsDocument;
        return hosts.map(({ host, presence }) => `${host} ${presence}`).join(", ");
      };
      for (let at = 0; at < OPERATOR; at++) await follow(at);
      const [context = ""] = (steps[OPERATOR] ?? "").split("circusctl hosts");
      await machines.run("node1", context);
      const online = "node1 online, node2 online, node3 online";
      await waitFor(async () => (await presences("node1")) === online, {
        what: "three hosts online",
        deadlineMs: 60_000,
        everyMs: 200,
      });
      await machines.run("node1", "circusctl context rm prod");
      await follow(OPERATOR);
      expect(said.at(-1)).toMatch(/^node3 +online +web +active +1\/1 +1 /m);
      await follow(OPERATOR + 1);
      await machines.run("node1", "scp -p /etc/circus/fleet/creds/operator-admin.creds root@10.77.0.2:/root/");
      await machines.run("node1", "kill -9 $(cat /run/circus-nats.pid /run/circus-controller.pid)");
      const nats = "tls://10.77.0.1:4222,tls://10.77.0.2:4222,tls://10.77.0.3:4222";
      await machines.run("node2", `circusctl context add prod --creds /root/operator-admin.creds --nats ${nats}`);
      await waitFor(
        async () => {
          const { stdout } = await machines.run("node2", "circusctl rollout list --json");
          return (JSON.parse(stdout) as { leader: string | null }).leader === "ctl2";
        },
        { what: "the other controller to lead", deadlineMs: 60_000, everyMs: 200 },
      );
      // A controller that was connected to the server that is gone has to hear of each host again first.
      await waitFor(async () => (await machines.run("node2", "circusctl --all restart web --dry-run")).code === 0, {
        what: "every host to be heard of",
        deadlineMs: 60_000,
        everyMs: 200,
      });
      const rest = await machines.run("node2", "circusctl --all restart web --batch 50% --soak 1s");
      expect([rest.code, rest.stderr]).toEqual([0, ""]);
      expect(await presences("node2")).toBe(online);
    }, 180_000);
  });
}
