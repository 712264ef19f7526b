// Lints what the compiler cannot see: floating promises, imports across packages, impurity in pure cores.
import tseslint from "typescript-eslint";

const NOT_ON_NODE_20 = ["AsyncDisposableStack", "DisposableStack"].map((name) => ({
  name,
  message: "does not exist on Node 20",
}));

/** Files that must stay pure: no I/O, clock, timers or randomness (ARCHITECTURE.md, "Pure cores"). */
const PURE = [
  "proto/src/**/*.ts",
  "agent/src/config/{lines,keys,variables,plugin-name,types,sections,environment,reader,values,text,resolve,resolve-*,rlimits,streams,own-sockets,log-output,multicast,hooks}.ts",
  "agent/src/watcher/{state,core,reconcile,backoff,status,options,turn,life,job,jobs,begin,hooks,answers,stop,adoption}.ts",
  "agent/src/{options,config/lifecycle,health/judge,health/messages,systemd/messages}.ts",
  "agent/src/arbiter/descriptor-budget.ts",
  "agent/src/config-push/{compose,identity}.ts",
  "agent/src/journal/{records,changes,copied-env,table}.ts",
  "agent/src/adopt/{survey,legacy,plan}.ts",
  "agent/src/process/{argv,proc-stat,proc-net}.ts",
  "agent/src/sockets/ip.ts",
  "agent/src/stats/{series,subscriptions,report}.ts",
  "agent/src/output/{batch,lines,prefix,trays/layout}.ts",
  "agent/src/logs/{queue,text,backward}.ts",
  "agent/src/events/trail.ts",
  "agent/src/plugins/{catalog,options,sizes,metrics,statistics,python-regex,*-core}.ts",
  "controller/src/{keep,keys,options,config-notify,notify/{rules,sightings,core,message},election/{core,peers},ingest/{project,watermarks,intervals},usage/{cell,packed,tiers,open},presence/{core,pace,arrival},rollout/{plan,core,state,turn,settle,advance,decisions,drain,drain-turn,floor,gate,order,command-id,attribution,replica,whole-host}}.ts",
  "controller/web/src/{model,judge,filter,order,words,series,request,log-view,usage-view}.ts",
  "cli/src/{argv,verbs,verbs-fleet,verb-options,fleet/rollout-lines,fleet/config-lines,render/unified-diff}.ts",
  "cli/src/top/{picture,model,draw,pieces,fleet-picture,fleet-model,fleet-draw}.ts",
  "cli/src/doctor/{finding,judge}.ts",
  "cli/src/convert/{read,supervisord}.ts",
  "test/chaos/{faults,plan,records,checks}.ts",
];

const forbid = (...groups) => ({
  "no-restricted-imports": ["error", { patterns: groups.map(([group, message]) => ({ group, message })) }],
});
const NO_DEEP = [["@circus-cluster/*/src/*", "@circus-cluster/*/dist/*"], "import the package's public surface"];
const NO_NATS = [["/nats"], "only proto/src/nats may import nats"];
const NO_TEST = [["**/test/**"], "nothing shipped imports from test"];

export default tseslint.config(
  { ignores: ["**/dist/**", "**/node_modules/**", ".up/**", "deploy/examples/**", "**/*.cjs"] },
  {
    files: ["**/*.{ts,tsx}"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: {
        project: ["./*/tsconfig.json", "./controller/web/tsconfig.json", "./tsconfig.tests.json"],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      "no-restricted-globals": ["error", ...NOT_ON_NODE_20],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "@typescript-eslint/no-unnecessary-condition": [
        "error",
        { allowConstantLoopConditions: "only-allowed-literals" },
      ],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      eqeqeq: "error",
    },
  },
  {
    files: ["proto/src/**"],
    rules: forbid(NO_NATS, NO_TEST, [["@circus-cluster/*"], "proto imports no other package"]),
  },
  { files: ["proto/src/nats/**"], rules: forbid(NO_TEST, [["@circus-cluster/*"], "proto imports no other package"]) },
  {
    files: ["agent/src/**"],
    rules: forbid(NO_DEEP, NO_NATS, NO_TEST, [
      ["@circus-cluster/controller", "@circus-cluster/cli"],
      "imports point to proto only",
    ]),
  },
  {
    files: ["controller/{src,web}/**"],
    rules: forbid(NO_DEEP, NO_NATS, NO_TEST, [
      ["@circus-cluster/agent", "@circus-cluster/cli"],
      "imports point to proto only",
    ]),
  },
  {
    files: ["cli/src/**"],
    rules: forbid(NO_DEEP, NO_NATS, NO_TEST, [
      ["@circus-cluster/agent", "@circus-cluster/controller"],
      "imports point to proto only",
    ]),
  },
  {
    files: PURE,
    ignores: ["proto/src/nats/**", "**/*.test.ts"],
    rules: {
      "no-restricted-globals": [
        "error",
        ...NOT_ON_NODE_20,
        ...["Date", "setTimeout", "setInterval", "setImmediate", "process", "performance"].map((name) => ({
          name,
          message: "this file is pure: time and effects come in as inputs",
        })),
      ],
      "no-restricted-properties": [
        "error",
        { object: "Math", property: "random", message: "chance comes in as an input" },
      ],
      "no-restricted-syntax": [
        "error",
        { selector: "ImportDeclaration[source.value=/^node:/]", message: "this file is pure: no I/O" },
      ],
    },
  },
  {
    files: ["controller/src/**/*.ts", "test/**/*.ts"],
    ignores: ["controller/src/store/sqlite.ts"],
    rules: {
      "@typescript-eslint/no-restricted-imports": [
        "error",
        { name: "better-sqlite3", allowTypeImports: true, message: "store/sqlite.ts says why only it opens databases" },
      ],
    },
  },
  { files: ["**/*.{test,fixture}.ts", "test/**/*.ts"], rules: { "@typescript-eslint/no-non-null-assertion": "off" } },
);
