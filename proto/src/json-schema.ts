/** A schema as JSON Schema (draft 2020-12, that of OpenAPI 3.1). A subpath of its own: only who publishes one pays. */
import { toJsonSchema } from "@valibot/to-json-schema";
import type { Schema } from "./schema.ts";

/** The part of JSON Schema that our schemas come out as; further keywords are carried along. */
export interface JsonSchema {
  readonly type?: string;
  readonly anyOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly description?: string;
}

/** Of what is given, before conversions. A check that JSON Schema has no word for is left out, never an error. */
export function jsonSchemaOf<T>(schema: Schema<T>): JsonSchema {
  const { $schema: _, ...rest } = toJsonSchema(schema, {
    target: "draft-2020-12",
    typeMode: "input",
    errorMode: "ignore",
  });
  return rest as JsonSchema;
}
