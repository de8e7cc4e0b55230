import type { JobError } from "../../../api/jobs/job.ts";
import { toStorableText } from "../../../api/json/json.ts";

const maxNameLength = 100;
const maxMessageLength = 1000;
const maxStackLength = 8000;

/**
 * Converts anything thrown to the form that the ledger stores.
 * @param scrub removes the job's secrets from a text
 */
export function toJobError(thrown: unknown, scrub = (text: string) => text): JobError {
  try {
    if (!(thrown instanceof Error))
      return { name: "Error", message: toMessage(scrub(String(thrown))) };
    // Subclasses may give these fields any type.
    const fields: Record<"name" | "message" | "stack", unknown> = thrown as never;
    const name = cut(scrub(String(fields.name)), maxNameLength);
    const message = toMessage(scrub(String(fields.message)));
    return typeof fields.stack === "string"
      ? { name, message, stack: cut(scrub(fields.stack), maxStackLength) }
      : { name, message };
  } catch {
    return { name: "Error", message: "The thrown value cannot be read." };
  }
}

/** Formats one short line: BullMQ copies the reason into its event stream. */
export function toReason({ name, message }: JobError): string {
  return toMessage(`${name}: ${message}`);
}

function toMessage(thrown: unknown) {
  return cut(String(thrown), maxMessageLength);
}

function cut(text: string, length: number) {
  return toStorableText(text.slice(0, length));
}
