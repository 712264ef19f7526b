/** IP addresses between text and bytes in network order. Pure. */

/** The 4 or 16 bytes of a literal address, in network order. */
export function ipBytes(host: string): Buffer {
  return host.includes(":") ? ipv6Bytes(host) : Buffer.from(host.split(".").map(Number));
}

function ipv6Bytes(host: string): Buffer {
  const text = host.replace(/%.*$/, "").replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...d: string[]) => {
    const [a = 0, b = 0, c = 0, e = 0] = d.slice(0, 4).map(Number);
    return `${((a << 8) | b).toString(16)}:${((c << 8) | e).toString(16)}`;
  });
  const [head = "", tail] = text.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const groups =
    tail === undefined ? left : [...left, ...Array<string>(8 - left.length - right.length).fill("0"), ...right];
  const bytes = Buffer.alloc(16);
  groups.forEach((group, i) => bytes.writeUInt16BE(Number.parseInt(group, 16), i * 2));
  return bytes;
}

/** Of 16 bytes in network order, the longest run of zero groups as `::`. */
export function ipv6Text(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16));
  const text = groups.join(":");
  const runs = [...text.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].sort((a, b) => b[0].length - a[0].length);
  const longest = runs[0];
  if (longest === undefined) return text;
  const before = text.slice(0, longest.index);
  const after = text.slice(longest.index + longest[0].length).replace(/^:/, "");
  return `${before}::${after}`;
}
