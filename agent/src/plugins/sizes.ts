/** Sizes as texts: `512M`, `1.41 G`, `10 kilo` (reference §9.3). Pure. */

/** One string per power of 1024, of all that name it. */
const UNITS = [
  "B byte Bi",
  "K k kilo Ki kibi",
  "M mega Mi mebi",
  "G giga Gi gibi",
  "T tera Ti tebi",
  "P peta Pi pebi",
  "E exa Ei exbi",
  "Z zetta Zi zebi",
  "Y yotta iotta Yi yobi",
];

const BYTES = new Map(UNITS.flatMap((names, power) => names.split(" ").map((name) => [name, 1024 ** power] as const)));

/** Bytes; null where there is no unit, or none that is known (`KB` is none in Circus either). */
export function parseSize(text: string): number | null {
  const [, amount, unit = ""] = /^(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]+)$/.exec(text.trim()) ?? [];
  const bytes = BYTES.get(unit);
  return amount === undefined || bytes === undefined ? null : Math.floor(Number(amount) * bytes);
}
