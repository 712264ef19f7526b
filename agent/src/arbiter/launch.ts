/** What a watcher's processes need of this host before they are made, and whether it is there (reference §2.9). */
import type { WatcherConfig } from "../config/types.ts";
import { buildArgv } from "../process/argv.ts";
import { cwdProblem, findExecutable } from "../process/executable.ts";
import type { SpawnSpec } from "../process/spawn.ts";
import { groupsOf } from "../process/thread-rights.ts";
import { virtualenvEnv } from "../process/virtualenv.ts";
import type { SpawnResult } from "../watcher/deps.ts";
import { spawnLookup } from "./spawn-variables.ts";
import { findGroup, findUser, type User } from "./users.ts";

const NOBODY_SET: User = { name: "", uid: 0, gid: 0 };
/** Stands for any socket's: a descriptor is no part of a program's name. */
const SOME_FD = 3;

type Refused = Extract<SpawnResult, { ok: false }>;
type Credentials = Pick<SpawnSpec, "uid" | "gid" | "groups">;

/**
 * Why no process of a watcher could be started as this host is now, in one line; null: nothing is seen. A hook may still
 * make what is missing, and the system refuse what is there.
 */
export function launchProblem(config: WatcherConfig): string | null {
  const credentials = credentialsOf(config);
  if ("reason" in credentials) return credentials.reason;
  const env = environmentOf(config);
  if (!env.ok) return env.reason;
  const { cmd, args, shell, shellArgs, workingDir, executable } = config;
  const argv = buildArgv({ cmd, args, shell, shellArgs, wid: 1, lookup: spawnLookup(config, 1, () => SOME_FD) });
  if (!argv.ok) return argv.reason;
  const directory = cwdProblem(workingDir);
  if (directory !== null) return directory;
  const found = findExecutable(executable ?? argv.words[0] ?? "", env.env["PATH"], workingDir);
  return found.ok ? null : found.reason;
}

export function environmentOf({ env, virtualenv, virtualenvPyVer }: WatcherConfig): ReturnType<typeof virtualenvEnv> {
  return virtualenv === null ? { ok: true, env } : virtualenvEnv(env, virtualenv, virtualenvPyVer);
}

/** Both must exist; number 0 counts as unset; a user alone brings its primary group. */
export function credentialsOf({ uid, gid }: WatcherConfig): Credentials | Refused {
  const user = uid === null || uid === "" ? NOBODY_SET : findUser(uid);
  if (user === null) return { ok: false, reason: `uid: no user '${String(uid)}' on this host` };
  const group = gid === null || gid === "" ? user.gid : findGroup(gid);
  if (group === null) return { ok: false, reason: `gid: no group '${String(gid)}' on this host` };
  const isUnset = user.uid === 0;
  return {
    uid: isUnset ? null : user.uid,
    gid: group === 0 ? null : group,
    groups: isUnset ? null : groupsOf(user.name, group),
  };
}
