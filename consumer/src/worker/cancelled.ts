/** Abort reason: the job was cancelled or has ended in the ledger during the attempt. */
export class CancelledError extends Error {
  override readonly name = "Cancelled";

  constructor() {
    super("The job was cancelled, or ended elsewhere.");
  }
}
