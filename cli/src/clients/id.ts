/** What names a request: an agent knows a repeat by it. */
import { randomBytes } from "node:crypto";

export function newId(): string {
  return `ctl-${randomBytes(9).toString("hex")}`;
}
