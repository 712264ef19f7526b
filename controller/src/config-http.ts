/** The keys `http*` of `[controller]`. */
import { type Address, isLoopbackHost, parseAddress, reasonOf } from "@circus-cluster/proto";
import { readTokens } from "./doors/http/tokens.ts";
import type { ControllerKey } from "./keys.ts";

export interface HttpConfig {
  readonly address: Address;
  /** File of the tokens; null: none are asked for. */
  readonly tokens: string | null;
  readonly tls: { readonly cert: string; readonly key: string } | null;
}

type HttpKey = Extract<ControllerKey, `http${string}`>;

/** Access to the section's values; what is wrong is collected. */
interface HttpReader {
  readonly text: (key: HttpKey) => string | null;
  readonly path: (key: HttpKey) => string | null;
  readonly wrong: (key: HttpKey, text: string) => void;
}

/** Null where HTTP is off. */
export function readHttp(reader: HttpReader): HttpConfig | null {
  const { text, path, wrong } = reader;
  const written = text("http");
  const [tokens, cert, key] = [path("http_tokens"), path("http_tls_cert"), path("http_tls_key")];
  if (tokens !== null) {
    try {
      readTokens(tokens);
    } catch (error) {
      wrong("http_tokens", reasonOf(error));
    }
  }
  if (cert !== null && key === null) wrong("http_tls_cert", "it needs 'http_tls_key'");
  if (key !== null && cert === null) wrong("http_tls_key", "it needs 'http_tls_cert'");
  if (written === null) return null;
  const address = parseAddress(written);
  if (address === null) {
    wrong("http", `'${written}' is not HOST:PORT, such as 127.0.0.1:8090`);
    return null;
  }
  if (tokens === null && !isLoopbackHost(address.host)) {
    wrong("http", `'${written}' can be reached from elsewhere, so it needs 'http_tokens'; or use 127.0.0.1`);
  }
  return { address, tokens, tls: cert === null || key === null ? null : { cert, key } };
}
