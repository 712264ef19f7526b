import type { HistoryRow } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { attribute } from "./attribution.ts";

const row = (actor: string | null, cause: string | null): HistoryRow => ({
  host: "web1",
  watcher: "w",
  state: "stopping",
  from: 1,
  to: 2,
  actor,
  cause,
});
const actorOf = (actor: string | null, cause: string | null): string | null | undefined =>
  attribute([row(actor, cause)], {
    isController: (name) => name === "ctl1" || name === "ctl2",
    starter: (id) => (id === "r1" ? "admin" : null),
  })[0]?.actor;

describe("attribute", () => {
  it("names who started the rollout", () => expect(actorOf("ctl1", "r1/web1/1")).toBe("admin"));
  it("does so for what another controller commanded", () => expect(actorOf("ctl2", "r1/web1/1")).toBe("admin"));
  it.each([
    ["alice", "r1/web1/1", "the id is a claim of hers"],
    ["ctl1", "r1/web2/1", "of another host"],
    ["ctl1", "r1/web1", "not a step"],
    ["ctl1", "r1/web1/1/x", "not a step"],
    ["ctl1", "r9/web1/1", "of no known rollout"],
    ["ctl1", null, "without a cause"],
    [null, "r1/web1/1", "of nobody"],
  ])("leaves %s with cause %s: %s", (actor, cause, _why) => expect(actorOf(actor, cause)).toBe(actor));
});
