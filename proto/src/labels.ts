/** Choosing hosts by their labels: `role=web,zone!=a` (design §5). Pure. */

/** A host without the label is unequal to every value. */
export interface LabelCondition {
  readonly key: string;
  readonly isEqual: boolean;
  readonly value: string;
}

export const CONDITIONS_MAX = 32;
/** Reads a comma list of `KEY=VALUE`, `KEY:VALUE` and `KEY!=VALUE`; null where it is none. */
export function parseConditions(text: string): readonly LabelCondition[] | null {
  const parts = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  const conditions: LabelCondition[] = [];
  for (const part of parts) {
    const [, key, sign, value] = /^([^=:!]+)(!=|=|:)([^=]+)$/.exec(part) ?? [];
    if (key === undefined || value === undefined) return null;
    conditions.push({ key: key.trim(), isEqual: sign !== "!=", value: value.trim() });
  }
  return conditions.length === 0 || conditions.length > CONDITIONS_MAX ? null : conditions;
}

export function formatCondition({ key, isEqual, value }: LabelCondition): string {
  return `${key}${isEqual ? "=" : "!="}${value}`;
}

/** Does a host with these labels fulfil all conditions? */
export function fulfils(labels: Readonly<Record<string, string>>, conditions: readonly LabelCondition[]): boolean {
  return conditions.every(
    ({ key, isEqual, value }) => (Object.hasOwn(labels, key) && labels[key] === value) === isEqual,
  );
}
