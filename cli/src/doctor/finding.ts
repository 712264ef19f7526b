/** What one look of the doctor found. Pure. */
import { clean, paint, type Tone } from "../render/table.ts";

export interface Finding {
  readonly check: string;
  readonly state: "ok" | "warning" | "wrong";
  readonly text: string;
  /** What to do; null where nothing is. */
  readonly advice: string | null;
}

export function ok(check: string, text: string): Finding {
  return { check, state: "ok", text, advice: null };
}

export function warning(check: string, text: string, advice: string): Finding {
  return { check, state: "warning", text, advice };
}

export function wrong(check: string, text: string, advice: string): Finding {
  return { check, state: "wrong", text, advice };
}

const TONES: Readonly<Record<Finding["state"], Tone>> = { ok: "good", warning: "warn", wrong: "bad" };

/** A line each. */
export function findingLines(findings: readonly Finding[], hasColour: boolean): string[] {
  const width = Math.max(0, ...findings.map(({ check }) => check.length));
  return findings.map(({ check, state, text, advice }) => {
    const word = paint(state.padEnd(7), TONES[state], hasColour);
    return `${word}  ${clean(check).padEnd(width)}  ${clean(text)}${advice === null ? "" : `; ${clean(advice)}`}`;
  });
}
