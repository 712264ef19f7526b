/**
 * What the records of a journal amount to: the watchers, their processes and the sockets, as they were when the last
 * record was written. Pure.
 */
import type { WatcherConfig } from "../config/types.ts";
import {
  decodeRecord,
  JOURNAL_VERSION,
  type JournalRecord,
  type SlotMemory,
  type SocketMemory,
  type WatcherMemory,
} from "./records.ts";

/** What was said at its fork. */
export interface Birth {
  readonly id: string;
  readonly notify: string | null;
  readonly stdout: string | null;
  readonly stderr: string | null;
  /** Null: the agent ended before it could say, or nothing was forked. */
  readonly pid: number | null;
  readonly ticks: number | null;
}

export interface SlotEntry {
  readonly slot: SlotMemory;
  /** Null: its fork was not asked for yet. */
  readonly birth: Birth | null;
}

export interface WatcherEntry {
  readonly written: WatcherConfig;
  readonly config: WatcherConfig;
  readonly isAdded: boolean;
  /** Null: nothing has happened to it. */
  readonly memory: WatcherMemory | null;
  /** By wid, in the order of spawning. */
  readonly slots: ReadonlyMap<number, SlotEntry>;
}

export class JournalTable {
  readonly #watchers = new Map<string, WatcherEntry & { readonly slots: Map<number, SlotEntry> }>();
  /** By name and inode. */
  readonly #sockets = new Map<string, SocketMemory>();
  /** Null: there was no first line. */
  boot: string | null = null;
  /** Nothing that should stand in it is missing. */
  isWhole = true;
  /** The agent ended as it should. */
  isEnded = false;

  get watchers(): ReadonlyMap<string, WatcherEntry> {
    return this.#watchers;
  }

  /** In the order in which they were opened. */
  get sockets(): readonly SocketMemory[] {
    return [...this.#sockets.values()];
  }

  /** Records about watchers or slots that are not known change nothing. */
  apply(record: JournalRecord): void {
    this.isEnded = record.t === "end";
    switch (record.t) {
      case "journal":
        this.#watchers.clear();
        this.#sockets.clear();
        this.boot = record.boot;
        this.isWhole = record.whole === 1 && record.v === JOURNAL_VERSION;
        return;
      case "end":
        this.#watchers.clear();
        this.#sockets.clear();
        return;
      case "socket": {
        const { t: _t, ...socket } = record;
        this.#sockets.set(socketKey(socket), socket);
        return;
      }
      case "unbound": {
        this.#sockets.delete(socketKey(record));
        return;
      }
      case "watcher": {
        const { watcher, written, isAdded } = record;
        const { memory = null, slots = new Map<number, SlotEntry>() } = this.#watchers.get(watcher) ?? {};
        this.#watchers.set(watcher, { written, config: record.config ?? written, isAdded, memory, slots });
        return;
      }
      case "state": {
        const entry = this.#watchers.get(record.watcher);
        if (entry !== undefined) this.#watchers.set(record.watcher, { ...entry, memory: record.state });
        return;
      }
      case "slot": {
        const { slot } = record;
        const slots = this.#watchers.get(record.watcher)?.slots;
        slots?.set(slot.wid, { slot, birth: slot.life === null ? null : (slots.get(slot.wid)?.birth ?? null) });
        return;
      }
      case "gone": {
        this.#watchers.get(record.watcher)?.slots.delete(record.wid);
        return;
      }
      case "intent": {
        const { id, notify, stdout, stderr } = record;
        this.#bear(record.watcher, record.wid, { id, notify, stdout, stderr, pid: null, ticks: null });
        return;
      }
      case "born": {
        const birth = this.#watchers.get(record.watcher)?.slots.get(record.wid)?.birth;
        if (birth !== null && birth !== undefined) {
          this.#bear(record.watcher, record.wid, { ...birth, pid: record.pid, ticks: record.ticks });
        }
        return;
      }
      case "forget": {
        this.#watchers.delete(record.watcher);
        return;
      }
      default:
        return record satisfies never;
    }
  }

  #bear(watcher: string, wid: number, birth: Birth): void {
    const slots = this.#watchers.get(watcher)?.slots;
    const entry = slots?.get(wid);
    if (entry !== undefined) slots?.set(wid, { ...entry, birth });
  }

  /** The shortest records that amount to the same. @param boot of now */
  records(boot: string): readonly JournalRecord[] {
    return [
      { t: "journal", v: JOURNAL_VERSION, boot, whole: this.isWhole ? 1 : 0 },
      ...this.sockets.map((socket) => ({ t: "socket", ...socket }) as const),
      ...[...this.#watchers].flatMap(([watcher, entry]) => recordsOf(watcher, entry)),
      ...(this.isEnded ? [{ t: "end" } as const] : []),
    ];
  }
}

function recordsOf(
  watcher: string,
  { written, config, isAdded, memory, slots }: WatcherEntry,
): readonly JournalRecord[] {
  return [
    { t: "watcher", watcher, written, config: config === written ? null : config, isAdded },
    ...(memory === null ? [] : [{ t: "state", watcher, state: memory } as const]),
    ...[...slots.values()].flatMap((entry) => slotRecords(watcher, entry)),
  ];
}

function slotRecords(watcher: string, { slot, birth }: SlotEntry): readonly JournalRecord[] {
  if (birth === null) return [{ t: "slot", watcher, slot }];
  const { wid } = slot;
  const { pid, ticks, ...intent } = birth;
  return [
    { t: "slot", watcher, slot: { ...slot, life: null } },
    { t: "intent", watcher, wid, ...intent },
    ...(pid === null ? [] : [{ t: "born", watcher, wid, pid, ticks } as const]),
    ...(slot.life === null ? [] : [{ t: "slot", watcher, slot } as const]),
  ];
}

const socketKey = ({ name, inode }: Pick<SocketMemory, "name" | "inode">): string => `${inode} ${name}`;

export interface Replay {
  readonly table: JournalTable;
  /** Records read. */
  readonly records: number;
  /** Numbers of lines, from 1, that are no records; a torn last one is none of them. */
  readonly garbage: readonly number[];
}

/** Reads a whole journal. One that does not begin as it should, or has lines that are none, is not whole. */
export function replay(text: string): Replay {
  const table = new JournalTable();
  const lines = text.split("\n");
  // Without a line end it was being written when its agent was killed: what it was about had not been done yet.
  lines.pop();
  const garbage: number[] = [];
  lines.forEach((line, i) => {
    const record = decodeRecord(line);
    const isMisplaced = record !== null && i > 0 && table.boot === null && record.t !== "journal";
    if (record === null || isMisplaced) garbage.push(i + 1);
    if (record !== null) table.apply(record);
  });
  if (garbage.length > 0) table.isWhole = false;
  return { table, records: lines.length - garbage.length, garbage };
}
