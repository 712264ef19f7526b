/** What the HTTP door says where it does not answer: `{"error":{"code","reason"}}` with the status of the code. */
import { ERRORS, type ErrorCode } from "@circus-cluster/proto";

/** Codes that only HTTP has; all others stand in proto's table. */
const HTTP_ONLY = {
  unauthenticated: 401,
  "method-not-allowed": 405,
  timeout: 408,
  "too-large": 413,
  "media-type": 415,
  misdirected: 421,
  "headers-too-large": 431,
  busy: 503,
  starting: 503,
} as const;

export type HttpErrorCode = ErrorCode | keyof typeof HTTP_ONLY;

export function statusOf(code: HttpErrorCode): number {
  return code in HTTP_ONLY ? HTTP_ONLY[code as keyof typeof HTTP_ONLY] : ERRORS[code as ErrorCode].http;
}

/** Every status that an error of the API can have, ascending. */
export const ERROR_STATUSES: readonly number[] = [
  ...new Set([...Object.values(HTTP_ONLY), ...Object.values(ERRORS).map(({ http }) => http)]),
].sort((a, b) => a - b);

/** Ends a request with an error; thrown only up to the door. */
export class HttpRefusal extends Error {
  readonly code: HttpErrorCode;
  readonly headers: Readonly<Record<string, string>>;
  /** What is still to come of the request is not wanted: the connection ends with the answer. */
  readonly isLast: boolean;

  constructor(
    code: HttpErrorCode,
    reason: string,
    { headers = {}, isLast = false }: { headers?: Readonly<Record<string, string>>; isLast?: boolean } = {},
  ) {
    super(reason);
    this.name = "HttpRefusal";
    this.code = code;
    this.headers = headers;
    this.isLast = isLast;
  }
}

export function errorText(code: HttpErrorCode, reason: string): string {
  return `${JSON.stringify({ error: { code, reason } })}\n`;
}
