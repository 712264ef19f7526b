/**
 * What each role may publish and hear: the table the broker enforces, made from the subjects
 * (design §4). `circusctl fleet init` writes it into the server's configuration.
 */
import type { HostName, UserName } from "./names.ts";
import { EVENTS_STREAM, inboxPrefix, Subjects } from "./subjects.ts";

export const ROLES = ["agent", "viewer", "operator", "controller"] as const;
export type Role = (typeof ROLES)[number];

export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** Replies to a message received that may go to its reply subject; null: none. */
  readonly allowResponses: { readonly max: number; readonly expires: string } | null;
}

/** The lock of the controllers, in an account of its own. */
export const LOCK_STREAM = "KV_leader";
export const LOCK_KEY = "$KV.leader.fleet";

/** What a controller may do in the account of the lock: make, read and write this one record. */
export function lockPermissions(name: string): Permissions {
  return {
    publish: [
      LOCK_KEY,
      `$JS.API.STREAM.INFO.${LOCK_STREAM}`,
      `$JS.API.STREAM.CREATE.${LOCK_STREAM}`,
      `$JS.API.STREAM.MSG.GET.${LOCK_STREAM}`,
    ],
    subscribe: [`${inboxPrefix(name)}.>`],
    allowResponses: null,
  };
}

/** What a viewer may ask agents: reads that no controller answers. An operator may send them every command. */
const VIEWER_COMMANDS = ["logs", "follow", "usage"] as const;

/** The identity behind a credential. For an agent `name` is the host's. */
export interface Identity {
  readonly role: Role;
  readonly name: string;
}

/** @throws RangeError where the fleet or the name cannot stand in a subject. */
export function permissionsOf(fleet: string, identity: Identity): Permissions {
  const s = new Subjects(fleet);
  const F = s.root;
  const host = identity.name as HostName;
  const user = identity.name as UserName;
  const inbox = `${inboxPrefix(identity.name)}.>`;
  const sees = [s.all.heartbeats(), s.all.events(), s.all.advice()];
  switch (identity.role) {
    case "agent":
      return {
        publish: [s.heartbeat(host), `${F}.evt.${host}.>`, s.snapshot(host), `${F}.rpl.${host}.>`],
        // its own heartbeats too: that is how it meets another agent of its name
        subscribe: [s.all.commandsTo(host), s.all.commandsToAll(), s.heartbeat(host), inbox],
        // accepted, then the result, of a command that may take as long as a graceful stop
        allowResponses: { max: 2, expires: "10m" },
      };
    case "viewer":
      return {
        publish: [`${F}.q.${user}.*`, ...VIEWER_COMMANDS.map((verb) => `${F}.cmd.*.${user}.${verb}`)],
        subscribe: [...sees, inbox],
        allowResponses: null,
      };
    case "operator":
      return {
        publish: [`${F}.q.${user}.*`, `${F}.ctl.${user}.*`, `${F}.cmd.*.${user}.*`],
        subscribe: [...sees, `${F}.rpl.*.${user}.*`, inbox],
        allowResponses: null,
      };
    case "controller":
      return {
        publish: [
          `${F}.cmd.*.${user}.*`,
          `${F}.adv.${user}.*`,
          `${F}.evt._fleet.>`,
          "$JS.API.INFO",
          ...["INFO", "CREATE", "UPDATE"].map((verb) => `$JS.API.STREAM.${verb}.${EVENTS_STREAM}`),
          `$JS.API.CONSUMER.CREATE.${EVENTS_STREAM}`,
          `$JS.API.CONSUMER.CREATE.${EVENTS_STREAM}.>`,
          ...["INFO", "DELETE", "MSG.NEXT"].map((verb) => `$JS.API.CONSUMER.${verb}.${EVENTS_STREAM}.*`),
          `$JS.ACK.${EVENTS_STREAM}.>`,
          "$JS.FC.>",
          // Answers, by name: with `allow_responses` the server notes the ack subject of every event that it delivers,
          // and walks through all of the last minutes at each one more (2.9: more than 4096).
          "_INBOX.*.>",
        ],
        subscribe: [`${F}.>`, "sysev.>", inbox],
        allowResponses: null,
      };
    default:
      return identity.role satisfies never;
  }
}
