/** `circus-controller token`: makes, lists and revokes tokens for the HTTP door. */
import { CircusError, type UserName } from "@circus-cluster/proto";
import type { ControllerConfig } from "../config.ts";
import { addToken, type Holder, readTokens, revokeToken } from "../doors/http/tokens.ts";

/** What is to be done with the tokens. */
export type TokenWork =
  | { readonly do: "list" }
  | { readonly do: "make"; readonly holder: Holder }
  | { readonly do: "revoke"; readonly name: UserName };

/**
 * A token that is made is the one line, and nobody can show it a second time.
 *
 * @throws CircusError with one line where the file cannot be read or written, or the name has a token, or none
 */
export function tokens({ http }: Pick<ControllerConfig, "http">, work: TokenWork, out: (line: string) => void): void {
  const path = http?.tokens ?? null;
  if (path === null) {
    throw new CircusError("message", "the file has no 'http' with 'http_tokens', the place of the tokens");
  }
  switch (work.do) {
    case "make":
      out(addToken(path, work.holder));
      return;
    case "revoke":
      revokeToken(path, work.name);
      out(`the token of ${work.name} is revoked`);
      return;
    case "list":
      for (const { name, role } of readTokens(path)?.values() ?? []) out(`${name} ${role}`);
      return;
    default:
      work satisfies never;
  }
}
