import { createHash } from "node:crypto";
import { ProblemError } from "./problem.ts";

/** Returns `"<version>.<hash>"`: preconditions of changes compare the version only, 304 compares the whole tag. */
export function toEtag(version: string | number, body: unknown): string {
  const hash = createHash("sha256").update(JSON.stringify(body)).digest("hex").slice(0, 16);
  return `"${version}.${hash}"`;
}

/**
 * Evaluates If-Match and If-None-Match before a change (RFC 9110, section 13.2). Call it while the row is locked.
 * Throws `precondition-failed`.
 * @param version undefined if the resource does not exist
 */
export function requirePreconditions(request: Request, version: string | number | undefined): void {
  const etag = version === undefined ? undefined : `"${version}"`;
  if (evaluate(request, etag) !== "met") throw new ProblemError("precondition-failed");
}

/** Evaluates the preconditions of a read. Throws `precondition-failed`. */
export function isNotModified(request: Request, etag: string): boolean {
  const outcome = evaluate(request, etag);
  if (outcome === "failed") throw new ProblemError("precondition-failed");
  return outcome === "not-modified";
}

/** Throws if the preconditions do not permit a change to this version. */
export type CheckVersion = (version: string) => void;

/** Returns undefined for a request without preconditions: its job need not be locked first. */
export function getVersionCheck(request: Request): CheckVersion | undefined {
  const { headers } = request;
  if (!headers.has("if-match") && !headers.has("if-none-match")) return undefined;
  return (version) => requirePreconditions(request, version);
}

function evaluate(
  { method, headers }: Request,
  etag: string | undefined,
): "met" | "failed" | "not-modified" {
  const isRead = method === "GET" || method === "HEAD";
  const ifMatch = headers.get("if-match");
  const ifNoneMatch = headers.get("if-none-match");
  if (ifMatch !== null && !matchesVersion(ifMatch, etag, { isStrong: true })) return "failed";
  if (ifNoneMatch === null) return "met";
  const isNamed = isRead
    ? matchesTag(ifNoneMatch, etag)
    : matchesVersion(ifNoneMatch, etag, { isStrong: false });
  if (!isNamed) return "met";
  return isRead ? "not-modified" : "failed";
}

function matchesVersion(
  field: string,
  etag: string | undefined,
  { isStrong }: { isStrong: boolean },
): boolean {
  if (etag === undefined) return false;
  const version = getVersionPart(opaque(etag));
  return (
    isAny(field) ||
    parseTags(field).some(
      ({ value, isWeak }) => !(isStrong && isWeak) && getVersionPart(value) === version,
    )
  );
}

function matchesTag(field: string, etag: string | undefined): boolean {
  if (etag === undefined) return false;
  return isAny(field) || parseTags(field).some(({ value }) => value === opaque(etag));
}

function isAny(field: string) {
  return field.trim() === "*";
}

function parseTags(field: string) {
  return [...field.matchAll(/(W\/)?"([^"]*)"/g)].map(([, weak, value = ""]) => ({
    value,
    isWeak: weak !== undefined,
  }));
}

function opaque(etag: string) {
  return etag.slice(1, -1);
}

function getVersionPart(value: string) {
  return value.split(".", 1)[0];
}
