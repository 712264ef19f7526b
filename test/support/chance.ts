/** Chance that can be repeated: the same seed gives the same numbers (mulberry32). */
export interface Chance {
  /** In [0, 1). */
  next(): number;
  /** 0 … n - 1. */
  below(n: number): number;
  /** Of a list that is not empty. */
  pick<T>(items: readonly T[]): T;
}

export function chance(seed: number): Chance {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (n: number): number => Math.floor(next() * n);
  return {
    next,
    below,
    pick: (items) => items[below(items.length)]!,
  };
}
