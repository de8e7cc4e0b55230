import { createHash } from "node:crypto";
import { ProblemError } from "../../http/problem.ts";

/** Where a part is in its file. */
export interface PartPosition {
  /** Offset of the first byte in the file; null if the request does not state it. */
  position: number | null;
  /** Size of the file; null if it is not known. */
  fileBytes: number | null;
}

/** Parses a `Content-Range`. */
export function parseContentRange(value: string | undefined, bytes: number): PartPosition {
  if (value === undefined) return { position: null, fileBytes: null };
  const parsed = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(value);
  const [first, last] = [Number(parsed?.[1]), Number(parsed?.[2])];
  const length = parsed?.[3] === "*" ? Number.POSITIVE_INFINITY : Number(parsed?.[3]);
  if (parsed === null || last >= length) {
    throw toHeaderProblem("/content-range", "Expected `bytes 0-999/5000` or `bytes 0-999/*`.");
  }
  if (last - first + 1 !== bytes) {
    const detail = `The range has ${last - first + 1} bytes, the body ${bytes}.`;
    throw toHeaderProblem("/content-range", detail);
  }
  return { position: first, fileBytes: length === Number.POSITIVE_INFINITY ? null : length };
}

const algorithms = { "sha-256": "sha256", "sha-512": "sha512" } as const;

/**
 * Verifies a body with the digests of `Content-Digest` (RFC 9530). Throws a problem if one does not match, or none of
 * them uses a known algorithm.
 */
export function verifyDigest(value: string | undefined, body: Uint8Array): void {
  if (value === undefined) return;
  let isVerified = false;
  for (const member of value.split(",")) {
    const [, name = "", digest] = /^\s*([a-z0-9-]+)=:([A-Za-z0-9+/=]*):\s*$/.exec(member) ?? [];
    if (name !== "sha-256" && name !== "sha-512") continue;
    const own = createHash(algorithms[name]).update(body).digest("base64");
    if (own !== digest)
      throw new ProblemError("digest-mismatch", `The ${name} of the body is ${own}.`);
    isVerified = true;
  }
  if (isVerified) return;
  throw toHeaderProblem(
    "/content-digest",
    "Expected `sha-256=:<base64>:` or `sha-512=:<base64>:`.",
  );
}

function toHeaderProblem(pointer: string, detail: string) {
  return new ProblemError("invalid-parameter", undefined, [{ pointer, detail }]);
}
