/** A `[socket:NAME]` section, resolved (reference §3.1). */
export interface SocketConfig {
  /** Lower case. */
  readonly name: string;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly family: "AF_INET" | "AF_INET6" | "AF_UNIX";
  readonly type: "SOCK_STREAM" | "SOCK_DGRAM" | "SOCK_SEQPACKET" | "SOCK_RAW" | "SOCK_RDM";
  /** Name of /etc/protocols, or a number; null: the type's own. */
  readonly proto: string | null;
  readonly backlog: number;
  readonly path: string | null;
  /** File mode mask while an AF_UNIX socket is bound. */
  readonly umask: number;
  /** Users and groups by name or number, of the file of an AF_UNIX socket; null: the agent's own. */
  readonly owner: string | null;
  readonly group: string | null;
  /** Unlink what is at `path` before. */
  readonly replace: boolean;
  readonly interface: string | null;
  readonly soReuseport: boolean;
  readonly blocking: boolean;
}
