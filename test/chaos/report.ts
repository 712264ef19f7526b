/** What a run says of itself: its counts, and what it broke first. */
import type { Outcome, RunOptions } from "./run.ts";

/** Of the same law: so many of them are shown. */
const SHOWN = 10;

export function report({ seed, lengthMs }: RunOptions, outcome: Outcome): string {
  const { violations, artefacts, done, requests, failed, lines, events, rollouts } = outcome;
  const counts = [...done].sort(([a], [b]) => a.localeCompare(b)).map(([kind, n]) => `${kind} ${n}`);
  const head = [
    `done: ${counts.join(", ")}`,
    `${requests} requests, ${failed} of them failed; ${lines} lines; ${events} events, ${rollouts} rollouts`,
  ];
  const [first] = violations;
  if (first === undefined)
    return [
      ...head,
      `seed ${seed}: all laws hold (a failed request was in the hands of a worker that was killed, or nobody held the socket)`,
    ].join("\n");
  const same = violations.filter(({ law }) => law === first.law);
  const others = new Set(violations.map(({ law }) => law).filter((law) => law !== first.law));
  return [
    ...head,
    `BROKEN: ${first.law}`,
    ...same.slice(0, SHOWN).map(({ what }) => `  ${what}`),
    ...(same.length > SHOWN ? [`  and ${same.length - SHOWN} more`] : []),
    ...[...others].map((law) => `broken too: ${law}`),
    `again: CHAOS_SEED=${seed} CHAOS_MINUTES=${lengthMs / 60_000} npm run chaos; what was found: ${artefacts}`,
  ].join("\n");
}
