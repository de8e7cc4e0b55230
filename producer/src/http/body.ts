import { setTimeout as sleep } from "node:timers/promises";
import { parseJson } from "@toril/contract/api/json/json";
import type { RequestContext } from "./request-context.ts";
import { ProblemError, toParameterProblem } from "./problem.ts";
import { nextTurn } from "./turn.ts";
import type { QuotaReservation } from "../quotas/quota-reservation.ts";

/** Bodies up to this size are too small to count against the memory budget. */
const smallBytes = 64_000;

/** Throws a problem if the beginning of a large body shows that the body is invalid. */
export type CheckBeginning = (beginning: Uint8Array) => void;

/**
 * Reads a body of at most `maxBytes` and takes its bytes from the quota. Throws a problem if the body is too large,
 * empty, incomplete or encoded.
 */
export async function readBytes(
  context: RequestContext,
  maxBytes: number,
  quota?: QuotaReservation,
  checkBeginning?: CheckBeginning,
): Promise<Uint8Array> {
  refuseContentEncoding(context);
  return readEncodedBytes(context, maxBytes, quota, checkBeginning);
}

/** Reads a body as `readBytes` does, compressed or not. */
export async function readEncodedBytes(
  context: RequestContext,
  maxBytes: number,
  quota?: QuotaReservation,
  checkBeginning?: CheckBeginning,
): Promise<Uint8Array> {
  if (context.body !== undefined) return context.body;
  const declared = context.request.headers.get("content-length");
  if (declared !== null && Number(declared) > maxBytes) throw tooLarge(maxBytes);
  // HTTP framing guarantees that a body has its declared length.
  const isSmall = declared !== null && Number(declared) <= smallBytes;
  if (quota !== undefined && declared !== null) await quota.takeBytes(Number(declared));
  let bytes: Uint8Array;
  try {
    bytes = isSmall
      ? await context.request.bytes()
      : await readCounted(context, maxBytes, checkBeginning);
  } catch (error) {
    throw isDisconnected(error) ? new ProblemError("incomplete-body") : error;
  }
  if (declared === null) await refuseIncomplete(context.request);
  if (bytes.length === 0) throw new ProblemError("empty-body");
  if (quota !== undefined && declared === null) await quota.takeBytes(bytes.length);
  return bytes;
}

/**
 * Bun.serve answers a chunked body with a trailer with a bare 400, and only after its end (oven-sh/bun#32887). Such a
 * request must not be processed; its abort shows one turn of the event loop later.
 */
async function refuseIncomplete(request: Request): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  if (request.signal.aborted) throw new ProblemError("incomplete-body");
}

export function isEncoded({ headers }: Request): boolean {
  const encoding = headers.get("content-encoding");
  return encoding !== null && encoding.trim().toLowerCase() !== "identity";
}

export function hasBody({ headers }: Request): boolean {
  const length = headers.get("content-length");
  return length === null ? headers.has("transfer-encoding") : length !== "0";
}

function refuseContentEncoding(context: RequestContext): void {
  if (!isEncoded(context.request)) return;
  throw new ProblemError("unsupported-media-type", "Send the body without Content-Encoding.");
}

/** Whether reading a body failed because the client disconnected. */
export function isDisconnected(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/**
 * Reads a JSON body. Throws a problem if the size, the encoding or the JSON is invalid, or Postgres could not store the
 * value.
 */
export async function readJson(
  context: RequestContext,
  maxBytes: number,
  quota?: QuotaReservation,
): Promise<unknown> {
  const parsed = parseJson(await readJsonBytes(context, maxBytes, quota));
  if (parsed.status === "malformed") throw new ProblemError("invalid-json", parsed.detail);
  if (parsed.status === "unstorable") {
    throw new ProblemError("unstorable-json", undefined, [parsed.error]);
  }
  return parsed.value;
}

/** Reads a JSON body as `readJson` does, without parsing it. */
export async function readJsonBytes(
  context: RequestContext,
  maxBytes: number,
  quota?: QuotaReservation,
): Promise<Uint8Array> {
  const contentType = context.request.headers.get("content-type");
  if (contentType === null || !/^application\/json\s*(;|$)/i.test(contentType)) {
    throw new ProblemError("unsupported-media-type", "Send application/json.");
  }
  const bytes = await readBytes(context, maxBytes, quota);
  context.body = bytes;
  return bytes;
}

/** A body is checked when this much was read. */
const beginningBytes = 1_000_000;

async function readCounted(
  context: RequestContext,
  maxBytes: number,
  checkBeginning?: CheckBeginning,
): Promise<Uint8Array> {
  const declared = Number(context.request.headers.get("content-length") ?? 0);
  // The system provides memory only for pages that are written. Joining chunks would block the event loop: 30 ms for 32 MB.
  const whole = declared > 0 ? Buffer.allocUnsafeSlow(declared) : undefined;
  const chunks: Uint8Array[] = [];
  let length = 0;
  let isChecked = checkBeginning === undefined;
  for await (const chunk of context.request.body ?? []) {
    if (length + chunk.length > maxBytes) throw tooLarge(maxBytes);
    context.takeMemory(chunk.length);
    if (whole === undefined) chunks.push(chunk);
    else whole.set(chunk, length);
    length += chunk.length;
    await pace(context, chunk.length);
    if (isChecked || length < beginningBytes) continue;
    isChecked = true;
    try {
      checkBeginning?.(whole?.subarray(0, length) ?? Buffer.concat(chunks, length));
    } catch (error) {
      // A refusal must not let the client send its next body any sooner.
      await pace(context, (declared || maxBytes) - length);
      throw error;
    }
  }
  return whole?.subarray(0, length) ?? joinInSlices(chunks, length);
}

/** Timers are not more precise. */
const minWaitMs = 2;

async function pace(context: RequestContext, bytes: number): Promise<void> {
  const waitMs = context.paceReading(bytes);
  if (waitMs >= minWaitMs) await sleep(waitMs);
}

/** Bytes copied in one turn of the event loop. */
const sliceBytes = 1_000_000;

async function joinInSlices(chunks: readonly Uint8Array[], length: number): Promise<Uint8Array> {
  if (length <= sliceBytes) return Buffer.concat(chunks, length);
  const whole = Buffer.allocUnsafeSlow(length);
  let at = 0;
  let sliceEnd = sliceBytes;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
    if (at < sliceEnd) continue;
    sliceEnd = at + sliceBytes;
    await nextTurn();
  }
  return whole;
}

function tooLarge(maxBytes: number) {
  return new ProblemError("body-too-large", `The body may have at most ${maxBytes} bytes.`);
}

/** Parses a parameter of the query that is JSON. Throws a problem if it is invalid. */
export function parseJsonParameter(name: string, text: string): unknown {
  const json = parseJson(new TextEncoder().encode(text));
  if (json.status === "ok") return json.value;
  const { pointer, detail } =
    json.status === "malformed" ? { pointer: "", detail: json.detail } : json.error;
  throw toParameterProblem(`/${name}${pointer}`, detail);
}
