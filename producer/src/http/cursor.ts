import { z } from "zod";
import { ProblemError } from "./problem.ts";

const JobId = z.uuid();

/** Encodes a position in a list as an opaque cursor. */
export function encodeCursor(id: string): string {
  return btoa(id).replaceAll("=", "");
}

export function decodeCursor(cursor: string, Id: z.ZodType<string> = JobId): string {
  const id = Id.safeParse(fromBase64(cursor));
  if (id.success) return id.data;
  throw new ProblemError("invalid-parameter", undefined, [
    { pointer: "/cursor", detail: "Not a cursor returned by this API." },
  ]);
}

function fromBase64(text: string) {
  try {
    return atob(text);
  } catch {
    return undefined;
  }
}
