/**
 * The one place that knows the schema library (valibot). Outside, a schema is opaque: `parse` turns
 * `unknown` into a value or into issues that say where and what.
 */
import * as v from "valibot";

/** One thing wrong with a value. */
export interface Issue {
  /** Dotted path inside the value; empty for the value itself. */
  readonly path: string;
  readonly kind: "missing" | "unknown" | "invalid";
  readonly message: string;
}

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly issues: readonly Issue[] };

/** A schema whose accepted values have the type T. */
export type Schema<T> = v.GenericSchema<unknown, T>;

/** Checks and converts; never throws. */
export function parse<T>(schema: v.GenericSchema<unknown, T>, value: unknown): Parsed<T> {
  const result = v.safeParse(schema, value);
  if (result.success) return { ok: true, value: result.output };
  return { ok: false, issues: result.issues.map((issue) => toIssue(issue)) };
}

/** The issues as one line for a person. */
export function issueText(issues: readonly Issue[]): string {
  return issues.map((issue) => (issue.path === "" ? issue.message : `${issue.path}: ${issue.message}`)).join("; ");
}

function toIssue(issue: v.BaseIssue<unknown>): Issue {
  const path = v.getDotPath(issue) ?? "";
  const isKey = issue.type === "strict_object" || issue.type === "object" || issue.type === "loose_object";
  const kind = isKey && issue.expected === "never" ? "unknown" : issue.input === undefined ? "missing" : "invalid";
  return { path, kind, message: kind === "missing" ? "is missing" : kind === "unknown" ? "is unknown" : issue.message };
}

export { v };
