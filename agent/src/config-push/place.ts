/** The file itself: read whole, and replaced so that a crash leaves the old one or the new one. */
import { createHash } from "node:crypto";
import {
  accessSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { CircusError, CONFIG_BYTES_MAX, reasonOf } from "@circus-cluster/proto";
import { syncDirectory, writeAll } from "../durable-file.ts";

export function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** @throws CircusError `os`; `conflict` for one that cannot be handled from afar */
export function readPlace(path: string): string {
  let bytes: Buffer;
  try {
    const { size } = statSync(path);
    if (size > CONFIG_BYTES_MAX) {
      throw new CircusError(
        "conflict",
        `${path} has ${size} bytes; up to ${CONFIG_BYTES_MAX} can be handled from afar`,
      );
    }
    bytes = readFileSync(path);
  } catch (error) {
    if (error instanceof CircusError) throw error;
    throw new CircusError("os", `cannot read ${path}: ${reasonOf(error)}`, { cause: error });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new CircusError("conflict", `${path} is not UTF-8 text`, { cause: error });
  }
}

/** Why this process cannot replace the file, keeping its owner; null: it can. */
export function placeProblem(path: string): string | null {
  const uid = process.geteuid?.() ?? 0;
  try {
    const real = realpathSync(path);
    if (refusal(real, constants.W_OK) === "EROFS") {
      return `cannot replace ${path}: it is on a file system, or a mount of its own, that is read-only`;
    }
    if (refusal(dirname(real), constants.W_OK | constants.X_OK) !== null) {
      return `cannot replace ${path}: circusd runs as uid ${uid}, which may not write to its directory`;
    }
    const owner = statSync(real).uid;
    if (uid === 0 || owner === uid) return null;
    return `cannot replace ${path}: it belongs to uid ${owner}, and circusd runs as uid ${uid}`;
  } catch (error) {
    return `cannot replace ${path}: ${reasonOf(error)} (circusd runs as uid ${uid})`;
  }
}

/** The system's code where the access would be refused. Of the file itself only EROFS counts: it is not written to. */
function refusal(path: string, access: number): string | null {
  try {
    accessSync(path, access);
    return null;
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : reasonOf(error);
  }
}

/**
 * Mode and owner stay; a symbolic link stays one, and what it points to is replaced.
 *
 * @throws CircusError `os`; then the old file stands
 */
export function replacePlace(path: string, text: string): void {
  let draft: string | null = null;
  try {
    const real = realpathSync(path);
    const { mode, uid, gid } = statSync(real);
    draft = join(dirname(real), `.${basename(real)}.new`);
    rmSync(draft, { force: true }); // of one that was killed in the middle
    const fd = openSync(draft, "wx", 0o600);
    try {
      writeAll(fd, Buffer.from(text));
      fchownSync(fd, uid, gid);
      fchmodSync(fd, mode & 0o7777);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(draft, real);
    draft = null;
    syncDirectory(dirname(real));
  } catch (error) {
    if (draft !== null) rmSync(draft, { force: true });
    throw new CircusError("os", `cannot replace ${path}: ${reasonOf(error)}`, { cause: error });
  }
}
