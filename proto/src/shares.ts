/** Shares of hosts as people write them. Apart from the schemas, so that a page takes them without a validator. Pure. */

/** A count of hosts, or a share of all targets: rounded up for waves, down for tolerances. */
export type Share = { readonly kind: "count"; readonly n: number } | { readonly kind: "percent"; readonly p: number };

/** Reads `3` or `25%`; null where it is neither. */
export function parseShare(text: string): Share | null {
  const match = /^(\d{1,6})(%?)$/.exec(text.trim());
  if (match === null) return null;
  const n = Number(match[1]);
  if (match[2] === "%") return n <= 100 ? { kind: "percent", p: n } : null;
  return { kind: "count", n };
}

/** `3` or `25%`. */
export function formatShare(share: Share): string {
  return share.kind === "count" ? String(share.n) : `${share.p}%`;
}

/** Reads `--batch`: a comma list of counts or percentages, each at least 1; null where it is none. */
export function parseBatch(text: string): readonly Share[] | null {
  const shares = text.split(",").map(parseShare);
  return shares.every((share) => share !== null && (share.kind === "count" ? share.n : share.p) > 0)
    ? (shares as Share[])
    : null;
}
