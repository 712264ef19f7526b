/** An expected failure of a fleet verb, with the exit code that it ends in. */
export class FleetError extends Error {
  readonly exit: number;
  constructor(exit: number, reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = "FleetError";
    this.exit = exit;
  }
}
