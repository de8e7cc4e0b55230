import { z } from "zod";

const Abort = z.object({ version: z.literal(1), bullIds: z.array(z.string()).readonly() });

/** Encodes the message that asks consumers to abort the attempts of these jobs. */
export function encodeAbort(bullIds: readonly string[]): string {
  return JSON.stringify({ version: 1, bullIds });
}

/** Decodes an abort message; returns no ids for another version. */
export function decodeAbort(message: string): readonly string[] {
  try {
    return Abort.safeParse(JSON.parse(message)).data?.bullIds ?? [];
  } catch {
    return [];
  }
}
