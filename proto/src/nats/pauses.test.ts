import { describe, expect, it } from "vitest";
import type { Millis } from "../time.ts";
import { pauses } from "./pauses.ts";

const HOUR = 3_600_000;

function world() {
  const now = { wall: 1_000_000_000, steady: 0 };
  const next = pauses(1000, { wall: () => now.wall, steady: () => now.steady }, () => 0.5);
  /** The package's rule for a server that was last tried at this wall time. */
  const isDialled = (lastConnect: Millis): boolean => lastConnect + next() <= now.wall;
  const pass = (ms: Millis): void => {
    now.wall += ms;
    now.steady += ms;
  };
  return { now, next, isDialled, pass };
}

describe("pauses", () => {
  it("lets one to two times the wait pass, also where the clock is slewed or goes forward", () => {
    const { now, next, pass } = world();
    expect(next()).toBe(1500);
    pass(1500);
    now.wall -= 900;
    expect(next()).toBe(1500);
    now.wall += HOUR;
    expect(next()).toBe(1500);
  });

  it("tries each server at once after the clock went back, then with pauses again", () => {
    const { now, isDialled, next, pass } = world();
    next();
    const lastConnect = now.wall;
    pass(20);
    now.wall -= HOUR;
    for (let server = 0; server < 8; server++) expect(isDialled(lastConnect)).toBe(true);
    expect(isDialled(now.wall)).toBe(false);
    expect(next()).toBe(1500);
  });

  it("adds up what the clock goes back by before all servers were tried", () => {
    const { now, isDialled, next } = world();
    next();
    const lastConnect = now.wall;
    now.wall -= HOUR;
    expect(isDialled(lastConnect)).toBe(true);
    now.wall -= HOUR;
    expect(isDialled(lastConnect)).toBe(true);
  });
});
