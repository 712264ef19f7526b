/** Free ports of 127.0.0.1, as the kernel gives them; none twice in one test process. */
import { createServer } from "node:net";

const given = new Set<number>();

function ask(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ host, port: 0, exclusive: true }, () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** A port that nobody listens on at this moment. */
export async function freePort(host = "127.0.0.1"): Promise<number> {
  for (;;) {
    const port = await ask(host);
    if (given.has(port)) continue;
    given.add(port);
    return port;
  }
}

export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let i = 0; i < count; i++) ports.push(await freePort());
  return ports;
}
