/** The API as a table: the questions and changes of proto, and the few pages of the door itself. Pure. */
import { FLEET_CONTROLS, FLEET_QUERIES, logStreamQuery, type Schema } from "@circus-cluster/proto";
import { type Parameter, parametersOf } from "./query.ts";

export const API = "/api/v1";

/** `open`: anybody who can connect; `read`: a viewer; `change`: an operator. */
export type Right = "open" | "read" | "change";

interface Common {
  readonly path: string;
  readonly right: Right;
  readonly summary: string;
}

/** A page of the door itself. */
interface PageRoute extends Common {
  readonly kind: "healthz" | "readyz" | "metrics" | "openapi" | "stream" | "whoami";
  readonly method: "GET";
  /** Media type of its answer. */
  readonly type: string;
}
/** The output of a watcher as it comes. */
interface LogRoute extends Common {
  readonly kind: "logs";
  readonly method: "GET";
  readonly type: string;
  readonly parameters: readonly Parameter[];
}
interface QueryRoute extends Common {
  readonly kind: "q";
  readonly method: "GET";
  readonly verb: string;
  readonly parameters: readonly Parameter[];
}
interface ControlRoute extends Common {
  readonly kind: "ctl";
  readonly method: "POST";
  readonly verb: string;
  readonly schema: Schema<unknown>;
}
export type Route = PageRoute | LogRoute | QueryRoute | ControlRoute;

const JSON_TYPE = "application/json";
const page = (kind: PageRoute["kind"], path: string, right: Right, type: string, summary: string): PageRoute => ({
  ...{ kind, path, right, type, summary },
  method: "GET",
});

const PAGES: readonly PageRoute[] = [
  page("healthz", "/healthz", "open", JSON_TYPE, "The program is alive"),
  page("readyz", "/readyz", "open", JSON_TYPE, "Connected, caught up and able to write; if not, why"),
  page("metrics", "/metrics", "read", "text/plain", "Metrics in Prometheus's text format"),
  page("openapi", `${API}/openapi.json`, "read", JSON_TYPE, "This document"),
  page("whoami", `${API}/whoami`, "open", JSON_TYPE, "Whose token this is and what it may do, or why one is needed"),
  page("stream", `${API}/stream`, "read", "text/event-stream", "What changes, as server-sent events"),
];

/** Every route of the door; a path has one method (GET takes HEAD along). */
export const ROUTES: readonly Route[] = [
  ...PAGES,
  {
    ...{ kind: "logs", method: "GET", path: `${API}/logs`, right: "read", type: "text/event-stream" },
    summary: "What a watcher's processes wrote and write, as server-sent events",
    parameters: parametersOf(logStreamQuery),
  },
  ...Object.entries(FLEET_QUERIES).map(
    ([verb, schema]): QueryRoute => ({
      ...{ kind: "q", method: "GET", path: `${API}/${verb}`, right: "read", verb },
      summary: `Answers the question '${verb}'`,
      parameters: parametersOf<unknown>(schema),
    }),
  ),
  ...Object.entries(FLEET_CONTROLS).map(
    ([verb, schema]): ControlRoute => ({
      ...{ kind: "ctl", method: "POST", path: `${API}/${verb}`, right: "change", verb, schema },
      summary: `Asks for the change '${verb}'`,
    }),
  ),
];
