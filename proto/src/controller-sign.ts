/** What controllers tell each other of themselves, on `F.adv.CONTROLLER.controller`. */
import { type Schema, v } from "./schema.ts";
import type { Millis } from "./time.ts";

export const CONTROLLER_TOPIC = "controller";

export interface ControllerSign {
  readonly v: 1;
  /** One life of the controller. */
  readonly life: string;
  /** Wall ms at which that life began. */
  readonly since: Millis;
  readonly isLeading: boolean;
  /** It takes part in the election; else it leads without asking anybody. */
  readonly hasLock: boolean;
  readonly version: string;
}

export const controllerSign: Schema<ControllerSign> = v.looseObject({
  v: v.literal(1),
  life: v.pipe(v.string(), v.minLength(1), v.maxLength(64)),
  since: v.pipe(v.number(), v.integer(), v.minValue(0)),
  isLeading: v.boolean(),
  hasLock: v.boolean(),
  version: v.pipe(v.string(), v.maxLength(64)),
});
