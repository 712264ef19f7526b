/** Which open socket a descriptor stands for. */
import { readlinkSync } from "node:fs";

/** @param link of `/proc/PID/fd`. @returns null: it is no socket, or gone */
export function socketInode(link: string): number | null {
  try {
    const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(link))?.[1];
    return inode === undefined ? null : Number(inode);
  } catch {
    return null;
  }
}
