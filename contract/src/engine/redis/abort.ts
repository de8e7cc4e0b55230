import { z } from "zod";

const Abort = z.object({ version: z.literal(1), bullIds: z.array(z.string()).readonly() });

/** The message that asks whoever runs these jobs to end their runs. */
export function encodeAbort(bullIds: readonly string[]): string {
  return JSON.stringify({ version: 1, bullIds });
}

/** None for a message of another version. */
export function decodeAbort(message: string): readonly string[] {
  try {
    return Abort.safeParse(JSON.parse(message)).data?.bullIds ?? [];
  } catch {
    return [];
  }
}
