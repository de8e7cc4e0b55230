import type { Context } from "hono";
import { parseJson } from "@toril/contract/json";
import type { AppEnv } from "./app-env.ts";
import { ProblemError } from "./problem.ts";

/** Bodies up to this size hold no memory worth counting. */
const smallBytes = 64_000;

/** Reads a body to its end, or until it is too large. */
export async function readBytes(c: Context<AppEnv>, maxBytes: number): Promise<Uint8Array> {
  refuseEncoded(c);
  const declared = c.req.header("content-length");
  if (declared !== undefined && Number(declared) > maxBytes) throw tooLarge(maxBytes);
  // HTTP framing holds a body to its declared length.
  const isSmall = declared !== undefined && Number(declared) <= smallBytes;
  let bytes: Uint8Array;
  try {
    bytes = isSmall ? await c.req.raw.bytes() : await readCounting(c, maxBytes);
  } catch (error) {
    throw isCutOff(error) ? new ProblemError("incomplete-body") : error;
  }
  if (bytes.length === 0) throw new ProblemError("empty-body");
  return bytes;
}

export function refuseEncoded(c: Context<AppEnv>): void {
  const encoding = c.req.header("content-encoding");
  if (encoding === undefined || encoding === "identity") return;
  throw new ProblemError("unsupported-media-type", "Send it without Content-Encoding.");
}

/** Whether reading a body failed because its sender went away. */
export function isCutOff(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new ProblemError("invalid-json", "The body is not valid UTF-8.");
  }
}

/** Reads a JSON body and vouches for its size, its encoding, and what JSON.parse lets through. */
export async function readJson(c: Context<AppEnv>, maxBytes: number): Promise<unknown> {
  const contentType = c.req.header("content-type");
  if (contentType === undefined || !/^application\/json\s*(;|$)/i.test(contentType)) {
    throw new ProblemError("unsupported-media-type", "Send application/json.");
  }
  const bytes = await readBytes(c, maxBytes);
  c.env.body = bytes;
  const parsed = parseJson(decodeUtf8(bytes));
  if (parsed.status === "malformed") throw new ProblemError("invalid-json", parsed.detail);
  if (parsed.status === "unstorable") {
    throw new ProblemError("unstorable-json", undefined, [parsed.error]);
  }
  return parsed.value;
}

async function readCounting(c: Context<AppEnv>, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of c.req.raw.body ?? []) {
    length += chunk.length;
    if (length > maxBytes) throw tooLarge(maxBytes);
    c.env.takeMemory(chunk.length);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

function tooLarge(maxBytes: number) {
  return new ProblemError("body-too-large", `At most ${maxBytes} bytes are read here.`);
}

const utf8 = new TextDecoder("utf-8", { fatal: true });
