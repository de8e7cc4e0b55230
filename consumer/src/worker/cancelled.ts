/** The ledger has ended the run, or the job, while a handler was at it. */
export class Cancelled extends Error {
  override readonly name = "Cancelled";

  constructor() {
    super("The job was cancelled, or ended elsewhere.");
  }
}
