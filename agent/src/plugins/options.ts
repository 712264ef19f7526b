/**
 * A plugin's options: text by key, as `[plugin:NAME]` has them and `--config` carries them (reference §9.1). One reader
 * serves the configuration, which says where a wrong one stands, and the plugin itself. Pure.
 */
import { parseBool, parseInteger, parseNumber } from "../config/values.ts";

export type RawOptions = ReadonlyMap<string, string>;

export interface OptionProblem {
  readonly key: string;
  readonly problem: string;
}

interface Range {
  /** Inclusive. */
  readonly min?: number;
  readonly max?: number;
}

/** What a Node timer can wait, in seconds. */
const TIMER_S_MAX = 2_147_483;
/** Shorter than this would be a busy loop. */
const LOOP_S_MIN = 0.01;

export class OptionReader {
  /** Every key that was asked for. */
  readonly keys = new Set<string>();
  readonly problems: OptionProblem[] = [];
  readonly #raw: RawOptions;

  constructor(raw: RawOptions) {
    this.#raw = raw;
  }

  problem(key: string, problem: string): void {
    this.problems.push({ key, problem });
  }

  /** Null where it is missing or empty. */
  optional(key: string): string | null {
    this.keys.add(key);
    const value = this.#raw.get(key)?.trim() ?? "";
    return value === "" ? null : value;
  }

  text(key: string, fallback: string): string {
    return this.optional(key) ?? fallback;
  }

  bool(key: string, fallback: boolean): boolean {
    return this.#typed(key, fallback, parseBool, "not yes or no (also true, on, 1; false, off, 0)");
  }

  int(key: string, fallback: number, range: Range = {}): number {
    return this.#ranged(key, this.#typed(key, fallback, parseInteger, "not a whole number"), fallback, range);
  }

  number(key: string, fallback: number, range: Range = {}): number {
    return this.#ranged(key, this.#typed(key, fallback, parseNumber, "not a number"), fallback, range);
  }

  optionalNumber(key: string): number | null {
    return this.optional(key) === null ? null : this.number(key, 0);
  }

  /** Seconds that can be waited. */
  seconds(key: string, fallback: number, min = 0): number {
    return this.number(key, fallback, { min, max: TIMER_S_MAX });
  }

  /** Seconds between two looks. */
  loopRate(fallback: number): number {
    return this.seconds("loop_rate", fallback, LOOP_S_MIN);
  }

  port(fallback: number): number {
    return this.int("port", fallback, { min: 1, max: 65_535 });
  }

  #typed<T>(key: string, fallback: T, parse: (text: string) => T | null, problem: string): T {
    const text = this.optional(key);
    const value = text === null ? fallback : parse(text);
    if (value !== null) return value;
    this.problem(key, `'${text ?? ""}' is ${problem}`);
    return fallback;
  }

  #ranged(key: string, value: number, fallback: number, { min, max }: Range): number {
    if (min !== undefined && value < min) this.problem(key, `${value} is less than ${min}`);
    else if (max !== undefined && value > max) this.problem(key, `${value} is more than ${max}`);
    else return value;
    return fallback;
  }
}

/**
 * `key:value` pairs joined by `:::`, in the order of their keys; empty values are left out. Null where one would not
 * come out as it went in.
 */
export function encodeOptions(options: RawOptions): string | null {
  const pairs = [...options].filter(([, value]) => value !== "").sort(([a], [b]) => (a < b ? -1 : 1));
  const text = pairs.map(([key, value]) => `${key}:${value}`).join(":::");
  const decoded = decodeOptions(text);
  const isSame = decoded.size === pairs.length && pairs.every(([key, value]) => decoded.get(key) === value);
  return isSame ? text : null;
}

/** What {@link encodeOptions} wrote, or a person in its manner; pieces without a colon are passed over. */
export function decodeOptions(text: string): RawOptions {
  const options = new Map<string, string>();
  for (const piece of text.split(":::")) {
    const at = piece.indexOf(":");
    if (at >= 0) options.set(piece.slice(0, at).trim(), piece.slice(at + 1).trim());
  }
  return options;
}
