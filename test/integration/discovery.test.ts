/** Multicast discovery (reference §5.1), asked by a Python program in the agent's own network namespace. */
import { execFileSync } from "node:child_process";
import { afterAll, describe, expect, it } from "vitest";
import { type Agent, startAgent } from "../support/agent.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { createNetwork, permitted } from "../support/namespaces.ts";
import { python } from "../support/python.ts";

afterAll(() => assertNoLeaks());

const GROUP = "237.219.251.97";
const PORT = 12_027;
const workers = { "watcher:w": { cmd: "sleep 1000" } };

/** Sends datagrams to the group and prints the answer to each. */
const ASK = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
for data in (b"", b"x" * 1400):
    s.sendto(data, ("${GROUP}", ${PORT}))
    print(s.recvfrom(1024)[0].decode())
`;

function start(netns: string, multicast: string): Promise<Agent> {
  return startAgent({ netns, sections: { circus: { multicast_endpoint: multicast }, ...workers } });
}

describe("multicast discovery", () => {
  const isPermitted = permitted();
  if (isPermitted) {
    it("answers any datagram with the command endpoint", async () => {
      await using network = createNetwork(["a", "b"]);
      const { netns } = network.host("a");
      for (const host of network.hosts)
        execFileSync("ip", ["-n", host.netns, "route", "add", "224.0.0.0/4", "dev", "eth0"]);
      await using agent = await start(netns, `udp://${GROUP}:${PORT}`);
      const answer = `${JSON.stringify({ endpoint: agent.endpoint })}\n`;
      for (const host of ["a", "b"]) {
        const { stdout, stderr } = await network.run(host, python(), ["-c", ASK]);
        expect({ stdout, stderr }).toEqual({ stdout: answer.repeat(2), stderr: "" });
      }
    });

    it("is a warning where the network has no multicast, and nothing else", async () => {
      await using network = createNetwork(["a"]);
      const { netns } = network.host("a");
      execFileSync("ip", ["-n", netns, "link", "set", "eth0", "down"]);
      await using agent = await start(netns, `udp://${GROUP}:${PORT}`);
      expect(agent.program.stderr).toMatch(/\[WARNING\] multicast discovery is off .*ENODEV/);
      expect(await agent.call("numwatchers")).toMatchObject({ numwatchers: 1 });
    });
  }

  it("is off when empty, and with a warning when it is no group", async () => {
    await using off = await startAgent({ sections: { circus: { multicast_endpoint: "" }, ...workers } });
    expect(off.program.stderr).not.toContain("multicast");
    await using wrong = await startAgent({
      sections: { circus: { multicast_endpoint: "udp://127.0.0.1:12027" }, ...workers },
    });
    expect(wrong.program.stderr).toMatch(/:\d+: multicast_endpoint: .*discovery is off \(warning\)/);
  });
});
