/** Every key of controller.ini: what `--check` knows, and what KEYS.md is written from. Pure. */

interface KeySpec {
  readonly key: string;
  /** What its value is, for people. */
  readonly type: string;
  /** What holds without it; null: nothing. */
  readonly default: string | null;
  readonly doc: string;
}

/** Of `[controller]`. */
export const CONTROLLER_KEYS = [
  { key: "nats_url", type: "list of addresses", default: null, doc: "nats://HOST:PORT or tls://HOST:PORT; required" },
  { key: "fleet", type: "name", default: "main", doc: "name of the fleet" },
  { key: "credentials", type: "path", default: null, doc: "file that circusctl fleet init wrote for this controller" },
  {
    key: "state_dir",
    type: "path",
    default: "/var/lib/circus-controller",
    doc: "where the databases are; not root: circus-controller below $XDG_STATE_HOME",
  },
  {
    key: "name",
    type: "name",
    default: null,
    doc: "of this controller; else that of the credentials, or of this machine",
  },
  {
    key: "tls_ca",
    type: "path",
    default: null,
    doc: "authority of the servers' certificates, where the credentials hold none",
  },
  { key: "tls_cert", type: "path", default: null, doc: "this controller's certificate; with tls_key" },
  { key: "tls_key", type: "path", default: null, doc: "its key; with tls_cert" },
  {
    key: "keep",
    type: "time",
    default: "30d",
    doc: "events and intervals that are older are dropped; forever: none are",
  },
  {
    key: "keep_size",
    type: "size",
    default: null,
    doc: "the oldest days go while the event database holds more; 16M or more",
  },
  {
    key: "replicas",
    type: "1, 3 or 5",
    default: null,
    doc: "NATS servers of a cluster that keep each event, and the lock of the leader",
  },
  { key: "http", type: "HOST:PORT", default: null, doc: "of the HTTP API, the web page and /metrics; off without it" },
  {
    key: "http_tokens",
    type: "path",
    default: null,
    doc: "file of the tokens that it asks for; needed beyond loopback",
  },
  { key: "http_tls_cert", type: "path", default: null, doc: "certificate, for https; with http_tls_key" },
  { key: "http_tls_key", type: "path", default: null, doc: "its key; with http_tls_cert" },
] as const satisfies readonly KeySpec[];

/** Of each `[notify:NAME]`. */
export const NOTIFY_KEYS = [
  { key: "on", type: "list", default: "all but rollout_ended", doc: "conditions that are told" },
  { key: "where", type: "labels", default: null, doc: "only of hosts such as role=web,zone!=a" },
  { key: "watchers", type: "list of patterns", default: null, doc: "only of these, such as web*" },
  { key: "webhook", type: "address", default: null, doc: "takes a POST of JSON; this or command is required" },
  { key: "webhook_token", type: "path", default: null, doc: "file of the webhook's bearer token" },
  { key: "command", type: "shell line", default: null, doc: "gets the JSON on its standard input" },
  { key: "quiet", type: "time", default: "10m", doc: "the same is not told again within this" },
  { key: "flapping", type: "N in TIME", default: "5 in 2m", doc: "so many unasked exits of a watcher in so long" },
  { key: "tell_end", type: "boolean", default: "yes", doc: "tell too when it is over" },
] as const satisfies readonly KeySpec[];

export type ControllerKey = (typeof CONTROLLER_KEYS)[number]["key"];
export type NotifyKey = (typeof NOTIFY_KEYS)[number]["key"];
