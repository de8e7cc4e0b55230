import { Import } from "@toril/contract/api/import";

import { until } from "./until.ts";

export interface ImportRequest {
  /** Of a producer. */
  url: string;
  /** Of every request. */
  headers: Record<string, string>;
  file: string;
  contentType: string;
  query: Readonly<Record<string, string>>;
  /** The answer with the import's id comes when the file was read; this may know it before. */
  findId?: () => Promise<string | undefined>;
  /** Told how the import stands, until it is done. */
  onProgress?: (counts: Import["counts"]) => void;
  signal: AbortSignal;
}

// Counts that stand still for this long will not move any more.
const stallTimeoutMs = 120_000;
const everyMs = 100;

/** Sends a file as a stream and follows its import to the end. */
export async function importFile(request: ImportRequest): Promise<Import> {
  const finished = new AbortController();
  const signal = AbortSignal.any([finished.signal, request.signal]);
  const current = { ...request, signal };
  try {
    const read = send(current);
    const id = await Promise.race([read.then((answer) => answer.id), waitForId(current)]);
    const [, done] = await Promise.all([read, follow(current, id)]);
    return done;
  } finally {
    finished.abort();
  }
}

async function send(request: ImportRequest): Promise<Import> {
  const { url, headers, query, file, contentType, signal } = request;
  const response = await fetch(`${url}/v1/imports?${new URLSearchParams(query).toString()}`, {
    method: "POST",
    headers: { ...headers, "content-type": contentType },
    body: Bun.file(file).stream(),
    signal,
  });
  return parse(response);
}

/** For ever without `findId`. */
function waitForId({ findId, signal }: ImportRequest): Promise<string> {
  if (!findId) return new Promise(() => {});
  return until("the import begins", findId, { timeoutMs: stallTimeoutMs, everyMs, signal });
}

async function follow(request: ImportRequest, id: string): Promise<Import> {
  const { url, headers, onProgress, signal } = request;
  let before = "";
  for (;;) {
    const now = await until(
      `import ${id} gets on`,
      async () => {
        const found = await parse(await fetch(`${url}/v1/imports/${id}`, { headers, signal }));
        return JSON.stringify(found) === before ? undefined : found;
      },
      { timeoutMs: stallTimeoutMs, everyMs, signal },
    );
    onProgress?.(now.counts);
    if (now.status === "done") return now;
    if (now.status === "failed") throw new Error(`import ${id} failed`);
    before = JSON.stringify(now);
  }
}

async function parse(response: Response): Promise<Import> {
  const body = await response.text();
  if (!response.ok) throw new Error(`${response.url} answers ${response.status}: ${body}`);
  return Import.parse(JSON.parse(body));
}
