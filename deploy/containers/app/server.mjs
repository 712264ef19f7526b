// An HTTP server on the socket that circusd listens on: `server.mjs FD`. At SIGTERM it answers what it has begun, then ends.
import { createServer } from "node:http";

const server = createServer((_, response) => response.end(`Hello from ${process.pid}\n`));
server.listen({ fd: Number(process.argv[2]) });
process.once("SIGTERM", () => server.close());
