/** The OpenAPI 3.1 document of the API, made from the table of routes and the schemas of proto. Pure. */
import { VERSION } from "@circus-cluster/proto";
import { type JsonSchema, jsonSchemaOf } from "@circus-cluster/proto/json-schema";
import { ERROR_STATUSES } from "./errors.ts";
import { ROUTES, type Route } from "./routes.ts";

const ANSWER: JsonSchema = {
  type: "object",
  required: ["controller", "time", "result"],
  properties: {
    controller: { type: "string", description: "Who answered" },
    time: { type: "integer", description: "When, in ms since the epoch" },
    result: { description: "What circusctl prints with --json for the same question" },
  },
};

const ERROR: JsonSchema = {
  type: "object",
  required: ["error"],
  properties: {
    error: {
      type: "object",
      required: ["code", "reason"],
      properties: {
        code: { type: "string", description: "Stable, for programs" },
        reason: { type: "string", description: "One line, for people" },
      },
    },
  },
};

export function openApi(routes: readonly Route[] = ROUTES): object {
  return {
    openapi: "3.1.0",
    info: {
      title: "Circus Cluster",
      version: VERSION,
      description: "State, history and changes of a fleet, from its controller.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    security: [{ token: [] }],
    paths: Object.fromEntries(routes.map((route) => [route.path, { [route.method.toLowerCase()]: operation(route) }])),
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: { Answer: ANSWER, Error: ERROR },
      responses: { Error: { description: "No answer; the reason in one line", ...json({ $ref: schemaRef("Error") }) } },
    },
  };
}

function operation(route: Route): object {
  const error = { $ref: "#/components/responses/Error" };
  const errors: Readonly<Record<string, object>> = Object.fromEntries(
    ERROR_STATUSES.map((status) => [String(status), error]),
  );
  return {
    operationId: route.kind === "q" || route.kind === "ctl" ? route.verb : route.kind,
    summary: route.summary,
    ...(route.right === "open" ? { security: [] } : {}),
    ...(route.right === "change" ? { description: "Needs the token of an operator." } : {}),
    ...given(route),
    responses: { 200: answer(route), ...errors },
  };
}

function given(route: Route): object {
  if (route.kind === "ctl") return { requestBody: { required: true, ...json(jsonSchemaOf(route.schema)) } };
  if (route.kind !== "q" && route.kind !== "logs") return {};
  const parameters = route.parameters.map(({ name, isRequired, schema, kind, fallback }) => ({
    ...{ name, in: "query", required: isRequired, schema },
    ...(fallback === null ? {} : { description: `If not given: ${fallback}` }),
    // A list is one comma-separated value, or the name several times.
    ...(kind === "list" ? { style: "form", explode: false } : {}),
  }));
  return { parameters };
}

function answer(route: Route): object {
  if (route.kind === "q" || route.kind === "ctl") {
    return { description: "The answer", ...json({ $ref: schemaRef("Answer") }) };
  }
  const schema = route.type === "application/json" ? { type: "object" } : { type: "string" };
  return { description: route.summary, content: { [route.type]: { schema } } };
}

function json(schema: object): object {
  return { content: { "application/json": { schema } } };
}

function schemaRef(name: string): string {
  return `#/components/schemas/${name}`;
}
