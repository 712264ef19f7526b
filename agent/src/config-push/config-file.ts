/**
 * The agent's configuration file as it is handled from afar: looked at, checked, staged, replaced.
 *
 * Invariants: (1) what is put in place was checked on this host, and is checked again just before; (2) the file that
 * another one takes the place of is kept first; (3) where the agent cannot be brought to a new file, the former one is back
 * before that is told; (4) a repeat of what was done finds it done.
 */
import { dirname } from "node:path";
import {
  CircusError,
  CONFIG_BYTES_MAX,
  type ConfigCheck,
  type ConfigEntry,
  type ConfigLook,
  reasonOf,
  shortHash,
} from "@circus-cluster/proto";
import type { AgentView } from "../commands/agent-view.ts";
import { formatDiagnostics } from "../config/check.ts";
import { diffConfig } from "../config/diff.ts";
import { loadConfig } from "../config/load.ts";
import type { AgentConfig } from "../config/types.ts";
import type { Cause } from "../watcher/api.ts";
import { compose, keepsFleet, withoutFleet } from "./compose.ts";
import { effectsOf, launchWarnings } from "./effects.ts";
import { identityChanges } from "./identity.ts";
import { hashOf, placeProblem, readPlace, replacePlace } from "./place.ts";
import { Versions } from "./versions.ts";

/** The agent as far as it is needed. */
type Agent = Pick<AgentView, "config" | "reloadConfig" | "streamProblem" | "log">;

export interface Allowed {
  /** Over a file that was edited by hand. */
  readonly force: boolean;
  /** Other `[fleet]`, `endpoint`, `state_dir`. */
  readonly identity: boolean;
}

/** A version to go to, or a kept file to come back to. */
export interface Move {
  readonly version: string | null;
  readonly file: string | null;
  /** Version that has to be there. */
  readonly from: string | null;
}

interface Target {
  readonly version: string | null;
  readonly file: string;
  /** Hash of the file that it may take the place of; null: of any. */
  readonly base: string | null;
}

export class ConfigFile {
  readonly #agent: Agent;
  /** Null: nothing can be kept, and so nothing replaced. */
  readonly #versions: Versions | null;
  readonly #wall: () => number;
  /** Settles when the last change is done. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(agent: Agent, stateDir: string | null, wall: () => number = Date.now) {
    this.#agent = agent;
    this.#versions = stateDir === null ? null : new Versions(stateDir, agent.log);
    this.#wall = wall;
  }

  /** @param kept beginning of the hash of a former file, or of what was pushed; null: the present one. @throws CircusError */
  look(kept: string | null, isBrief: boolean): ConfigLook {
    const { path } = this.#agent.config;
    const present = readPlace(path);
    const look = this.#lookAt(present);
    if (isBrief) return look;
    if (kept === null) return { ...look, text: present };
    const file = this.#named(kept, look.entries);
    const text = this.#versions?.text(file) ?? null;
    if (text === null) throw new CircusError("not-found", `no file ${shortHash(kept)} is kept here`);
    return { ...look, file, text };
  }

  /** @throws CircusError where the present file cannot be handled; what is wrong with the new one is told */
  check(pushed: string, allowed: Allowed): ConfigCheck {
    const { path } = this.#agent.config;
    const present = readPlace(path);
    const next = compose(pushed, present);
    const look = this.#lookAt(present);
    const isCut = keepsFleet(pushed, present);
    const shown = isCut ? { text: withoutFleet(present), next: withoutFleet(pushed) } : { text: present, next };
    const { config, lines } = this.#load(next);
    const problems = [
      ...(config === null ? lines : []),
      ...(config === null ? [] : this.#objections(config, present, allowed)),
      ...(look.edited && !allowed.force ? [this.#editedText(look.entries)] : []),
      ...[placeProblem(path), this.#versions === null ? "without a state_dir no former file can be kept" : null].filter(
        (problem) => problem !== null,
      ),
      ...(Buffer.byteLength(next) > CONFIG_BYTES_MAX ? [`more than ${CONFIG_BYTES_MAX} bytes`] : []),
    ];
    const plan = config === null ? null : diffConfig(this.#agent.config, config);
    const warnings = config === null || plan === null ? [] : [...lines, ...launchWarnings(config, plan)];
    return { ...look, ...shown, problems, warnings, effects: plan === null ? null : effectsOf(plan) };
  }

  /**
   * @param version hash of `pushed`
   * @param base hash of the file that somebody saw
   * @returns hash of the file that it will be. @throws CircusError with all that is wrong in one line
   */
  stage(pushed: string, version: string, base: string, allowed: Allowed): string {
    if (hashOf(pushed) !== version) throw new CircusError("message", "'version' isn't the hash of 'text'");
    const { problems, file: present } = this.check(pushed, allowed);
    if (problems.length > 0) throw new CircusError("failed", problems.join("; "));
    if (present !== base) throw new CircusError("conflict", movedText(this.#agent.config.path, base, present));
    const next = compose(pushed, readPlace(this.#agent.config.path));
    const file = hashOf(next);
    try {
      this.#kept().stage({ version, file, base, time: this.#wall() }, next);
    } catch (error) {
      throw new CircusError("os", `it cannot be kept: ${reasonOf(error)}`, { cause: error });
    }
    return file;
  }

  /** @returns the keys that wait for a restart of circusd. @throws CircusError; then the former file is there */
  apply(move: Move, cause: Cause): Promise<readonly string[]> {
    const run = this.#last.then(() => this.#apply(move, cause));
    this.#last = run.catch(() => undefined);
    return run;
  }

  async #apply(move: Move, cause: Cause): Promise<readonly string[]> {
    const { path } = this.#agent.config;
    const versions = this.#kept();
    const former = readPlace(path);
    const present = hashOf(former);
    const target = this.#target(move, present);
    if (present === target.file) return await this.#again(target, former, cause);
    if (move.from !== null && this.#lookAt(former).version !== move.from) {
      throw new CircusError("conflict", `its configuration is not ${shortHash(move.from)} any more`);
    }
    if (target.base !== null && target.base !== present) {
      throw new CircusError("conflict", movedText(path, target.base, present));
    }
    const text = versions.text(target.file);
    if (text === null) throw new CircusError("not-found", `no file ${shortHash(target.file)} is kept here`);
    const { config, lines } = this.#load(text);
    if (config === null) throw new CircusError("failed", lines.join("; "));
    this.#begin(this.#entryOf(target, present, cause), former);
    try {
      replacePlace(path, text);
      const deferred = await this.#agent.reloadConfig(cause);
      this.#done();
      return deferred;
    } catch (error) {
      throw await this.#giveBack(former, error, cause);
    }
  }

  /** It is there already: the last agent was killed in the middle, or somebody else wrote the same. */
  async #again(target: Target, text: string, cause: Cause): Promise<readonly string[]> {
    const last = this.#kept().entries(target.file).at(-1);
    const isKnown = last?.file === target.file && last.version === target.version;
    if (!isKnown) this.#begin(this.#entryOf(target, target.base ?? target.file, cause), text);
    const deferred = await this.#agent.reloadConfig(cause);
    this.#done();
    return deferred;
  }

  /** @returns what is to be thrown */
  async #giveBack(former: string, error: unknown, cause: Cause): Promise<CircusError> {
    const told = [reasonOf(error)];
    try {
      replacePlace(this.#agent.config.path, former);
      this.#kept().end(false);
      await this.#agent.reloadConfig(cause);
      told.push("the former file is back");
    } catch (again) {
      told.push(`the former file is not in effect again: ${reasonOf(again)}`);
    }
    return new CircusError("failed", told.join("; "), { cause: error });
  }

  #entryOf({ version, file }: Target, base: string, { actor, command }: Cause): ConfigEntry {
    return { time: this.#wall(), actor, cause: command, version, file, base };
  }

  #begin(entry: ConfigEntry, former: string): void {
    try {
      this.#kept().begin(entry, former);
    } catch (error) {
      throw new CircusError("os", `the former file cannot be kept: ${reasonOf(error)}`, { cause: error });
    }
  }

  #done(): void {
    try {
      this.#kept().end(true);
    } catch (error) {
      // It counts all the same, while its file is there.
      this.#agent.log.warning("what was pushed cannot be recorded", { reason: reasonOf(error) });
    }
  }

  #target({ version, file }: Move, present: string): Target {
    const versions = this.#kept();
    const entries = versions.entries(present);
    if (file !== null) {
      // What it was when it was there before.
      const known = entries.findLast((entry) => entry.file === file);
      return { version: known?.version ?? null, file, base: null };
    }
    if (version === null) throw new CircusError("message", "message invalid 'version' is missing");
    const staged = versions.staged(version);
    if (staged !== null) return staged;
    const known = entries.findLast((entry) => entry.version === version);
    if (known === undefined)
      throw new CircusError("not-found", `no configuration ${shortHash(version)} is staged here`);
    return { version, file: known.file, base: null };
  }

  #lookAt(present: string): Omit<ConfigLook, "text"> {
    const file = hashOf(present);
    const entries = this.#versions?.entries(file) ?? [];
    const last = entries.at(-1);
    const isAsLeft = last?.file === file;
    const base = isAsLeft ? last.base : null;
    return {
      path: this.#agent.config.path,
      file,
      version: isAsLeft ? last.version : null,
      previous: base !== null && (this.#versions?.text(base) ?? null) !== null ? base : null,
      edited: last !== undefined && !isAsLeft,
      entries,
    };
  }

  /** The one file that is meant. @throws CircusError where several are */
  #named(kept: string, entries: readonly ConfigEntry[]): string {
    const begins = (hash: string | null): boolean => hash?.startsWith(kept) === true;
    const files = entries.flatMap(({ version, file, base }) => [
      ...(begins(file) || begins(version) ? [file] : []),
      ...(begins(base) ? [base] : []),
    ]);
    const [only = kept, ...others] = new Set(files);
    if (others.length > 0) throw new CircusError("conflict", `${kept} is the beginning of several hashes`);
    return only;
  }

  /** `lines`: errors where there is no configuration, else warnings; as `circusd --check` says them. */
  #load(text: string): { readonly config: AgentConfig | null; readonly lines: readonly string[] } {
    const { path } = this.#agent.config;
    const { config, diagnostics } = loadConfig(path, undefined, text);
    const severity = config === null ? "error" : "warning";
    const those = diagnostics
      .filter((one) => one.severity === severity)
      .map((one) => ({ ...one, severity: "error" as const }));
    return { config, lines: formatDiagnostics(those, dirname(path)) };
  }

  #objections(next: AgentConfig, present: string, { identity }: Allowed): readonly string[] {
    const running = this.#agent.config;
    const changes = identity ? [] : identityChanges(this.#load(present).config ?? running, next);
    const { watchers } = diffConfig(running, next);
    const streams = watchers.added.flatMap((watcher) => {
      const problem = this.#agent.streamProblem(watcher);
      return problem === null ? [] : [`${watcher.name}: ${problem}`];
    });
    const text = `it would change who this host is, or where it is reached (${changes.join(", ")}); see --allow-identity`;
    return [...(changes.length === 0 ? [] : [text]), ...streams];
  }

  #editedText(entries: readonly ConfigEntry[]): string {
    const last = entries.at(-1);
    const what = last?.version === null || last === undefined ? "what was put there" : shortHash(last.version);
    return `it was edited by hand since the push of ${what}; --force replaces it all the same`;
  }

  #kept(): Versions {
    if (this.#versions === null) throw new CircusError("conflict", "without a state_dir no former file can be kept");
    return this.#versions;
  }
}

function movedText(path: string, seen: string, present: string): string {
  return `${path} was changed meanwhile: it is ${shortHash(present)}, not ${shortHash(seen)}`;
}
