import { z } from "zod";
import { parseJsonOrNull } from "../../api/json/json.ts";

const Abort = z.object({ version: z.literal(1), bullIds: z.array(z.string()).readonly() });

/** Encodes the message that asks consumers to abort the attempts of these jobs. */
export function encodeAbort(bullIds: readonly string[]): string {
  return JSON.stringify({ version: 1, bullIds });
}

/** Decodes an abort message; returns no ids for another version. */
export function decodeAbort(message: string): readonly string[] {
  return Abort.safeParse(parseJsonOrNull(message)).data?.bullIds ?? [];
}
