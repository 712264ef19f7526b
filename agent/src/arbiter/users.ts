/** Users and groups of this host by name or number, from /etc/passwd and /etc/group. */
import { readFileSync } from "node:fs";

export interface User {
  readonly name: string;
  readonly uid: number;
  /** Primary group. */
  readonly gid: number;
}

function findEntry(file: string, idField: number, wanted: string | number): readonly string[] | undefined {
  const text = String(wanted);
  return readFileSync(file, "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .find((fields) => fields[0] === text || (/^\d+$/.test(text) && fields[idField] === text));
}

/** Null where there is no such user. */
export function findUser(wanted: string | number): User | null {
  const entry = findEntry("/etc/passwd", 2, wanted);
  return entry === undefined ? null : { name: entry[0] ?? "", uid: Number(entry[2]), gid: Number(entry[3]) };
}

/** The number of a group, or null where there is none such. */
export function findGroup(wanted: string | number): number | null {
  const entry = findEntry("/etc/group", 2, wanted);
  return entry === undefined ? null : Number(entry[2]);
}
