/** The OpenAPI document as programs that read one expect it. That it names every route of the door is tested there. */
import { describe, expect, it } from "vitest";
import { openApi } from "./openapi.ts";

interface OpenApi {
  readonly openapi: string;
  readonly info: object;
  readonly security: readonly object[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly securitySchemes: object };
}

interface Operation {
  readonly operationId: string;
  readonly security?: readonly object[];
  readonly parameters?: readonly { readonly name: string; readonly schema: unknown }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: unknown } | undefined>> };
  readonly responses: Readonly<Record<string, { readonly $ref?: string; readonly description?: string }>>;
}

const TYPES = ["string", "integer", "number", "boolean", "object", "array", "null"];

/** JSON Schema as far as ours goes: known types, what is wanted is described, and so are the parts. */
function checkSchema(value: unknown, where: string): void {
  expect(value, where).toBeTypeOf("object");
  const schema = value as Record<string, unknown>;
  for (const type of [schema["type"] ?? []].flat()) expect(TYPES, where).toContain(type);
  if (schema["pattern"] !== undefined) expect(() => new RegExp(String(schema["pattern"]), "u"), where).not.toThrow();
  const properties = (schema["properties"] ?? {}) as Record<string, unknown>;
  for (const name of (schema["required"] ?? []) as string[]) expect(properties, where).toHaveProperty([name]);
  for (const [name, part] of Object.entries(properties)) checkSchema(part, `${where}.${name}`);
  for (const key of ["items", "additionalProperties"]) {
    if (typeof schema[key] === "object") checkSchema(schema[key], `${where}.${key}`);
  }
  for (const key of ["anyOf", "oneOf", "allOf"]) {
    for (const part of (schema[key] ?? []) as unknown[]) checkSchema(part, `${where}.${key}`);
  }
}

describe("the OpenAPI document", () => {
  it("is what OpenAPI 3.1 wants: every operation has an id of its own and answers, every reference leads somewhere", () => {
    const document = JSON.parse(JSON.stringify(openApi())) as OpenApi;
    expect(document.openapi).toBe("3.1.0");
    expect(document.info).toMatchObject({ title: expect.any(String) as string, version: expect.any(String) as string });
    const operations = Object.entries(document.paths).flatMap(([path, methods]) => {
      expect(path).toMatch(/^\/[^?#]*$/);
      return Object.entries(methods).map(([method, operation]) => ({ path, method, operation }));
    });
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { path, method, operation } of operations) {
      expect(["get", "post"]).toContain(method);
      expect(Object.keys(operation.responses).every((status) => /^[1-5]\d\d$/.test(status))).toBe(true);
      for (const answer of Object.values(operation.responses)) {
        expect(typeof (answer.$ref ?? answer.description), path).toBe("string");
      }
      const names = (operation.parameters ?? []).map((parameter) => parameter.name);
      expect(new Set(names).size, path).toBe(names.length);
      for (const parameter of operation.parameters ?? []) {
        expect(parameter, path).toMatchObject({ in: "query", required: expect.any(Boolean) as boolean });
        checkSchema(parameter.schema, `${path} ${parameter.name}`);
      }
      expect(operation.requestBody !== undefined, path).toBe(method === "post");
      if (operation.requestBody !== undefined) {
        checkSchema(operation.requestBody.content["application/json"]?.schema, path);
      }
      for (const scheme of operation.security ?? document.security) {
        for (const name of Object.keys(scheme)) expect(document.components.securitySchemes).toHaveProperty(name);
      }
    }
    for (const [, ref = ""] of JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)) {
      let found: unknown = document;
      for (const part of ref.replace(/^#\//, "").split("/"))
        found = (found as Record<string, unknown> | undefined)?.[part];
      expect(found, ref).toBeTypeOf("object");
    }
  });

  it("says of each property what the schema wants", () => {
    const { paths } = openApi() as { paths: Record<string, Record<string, Record<string, unknown>>> };
    expect(paths["/api/v1/rollout-list"]?.["get"]?.["parameters"]).toEqual([
      {
        ...{ name: "limit", in: "query", required: false, description: "If not given: 1000" },
        schema: { type: "integer", minimum: 0, maximum: 1000 },
      },
    ]);
    expect(paths["/api/v1/rollout-show"]?.["get"]?.["parameters"]).toMatchObject([{ name: "id", required: true }]);
    expect(paths["/api/v1/rollout-start"]?.["post"]?.["requestBody"]).toMatchObject({
      required: true,
      content: { "application/json": { schema: { type: "object", additionalProperties: false } } },
    });
  });
});
