import { readFileSync } from "node:fs";

/**
 * Preloaded into producers and consumers: steps the wall clock of this one process by the milliseconds in the file that
 * CHAOS_CLOCK names. Monotonic time goes on, as it does when a machine's clock is set.
 */

const file = process.env["CHAOS_CLOCK"] ?? "";
const everyMs = 200;
const RealDate = Date;
const realNow = Date.now.bind(Date);
let offset = 0;

function read() {
  try {
    offset = Number(readFileSync(file, "utf8")) || 0;
  } catch {
    // There is no step yet.
  }
}

class SteppedDate extends RealDate {
  constructor(...values: unknown[]) {
    if (values.length === 0) super(realNow() + offset);
    else super(...(values as [number]));
  }

  static override now() {
    return realNow() + offset;
  }
}

globalThis.Date = SteppedDate as DateConstructor;
read();
setInterval(read, everyMs).unref();
