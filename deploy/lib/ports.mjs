// Ports of `npm run up`: those it is known for, or the next free ones.
import { createServer } from "node:net";

/** Whether 127.0.0.1:port could be bound just now. */
function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** For each name the wished port or the next free one above it; no port twice. */
export async function choosePorts(wishes) {
  const chosen = {};
  const used = new Set();
  const wished = new Set(Object.values(wishes));
  for (const [name, wish] of Object.entries(wishes)) {
    let port = wish;
    while (used.has(port) || (port !== wish && wished.has(port)) || !(await isFree(port))) {
      port += 1;
      if (port > 65_535) throw new Error(`no free port for ${name} from ${wish} on`);
    }
    used.add(port);
    chosen[name] = port;
  }
  return chosen;
}
