/** `circus-controller token`: makes a token for the HTTP door and keeps its hash. */
import { CircusError } from "@circus-cluster/proto";
import type { ControllerConfig } from "../config.ts";
import { addToken, type Holder } from "../doors/http/tokens.ts";

/**
 * @returns the token, which nobody can show a second time
 * @throws CircusError with one line where it cannot be kept, or the name has one
 */
export function makeToken({ http }: Pick<ControllerConfig, "http">, holder: Holder): string {
  const path = http?.tokens ?? null;
  if (path === null) {
    throw new CircusError("message", "the file has no 'http' with 'http_tokens', the place of the tokens");
  }
  return addToken(path, holder);
}
