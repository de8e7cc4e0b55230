import { Import } from "@toril/contract/api/import";

import { until } from "../until.ts";

export interface ImportRequest {
  /** Address of a producer. */
  url: string;
  /** Headers of every request. */
  headers: Record<string, string>;
  file: string;
  contentType: string;
  query: Readonly<Record<string, string>>;
  /** Finds the id of the import earlier than the response, which arrives when the file is read. */
  findId?: () => Promise<string | undefined>;
  /** Called with the counts of the import until it is done. */
  onProgress?: (counts: Import["counts"]) => void;
  signal: AbortSignal;
}

// Without progress for this long, the import is stuck.
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

/** Waits forever without `findId`. */
function waitForId({ findId, signal }: ImportRequest): Promise<string> {
  if (!findId) return new Promise(() => {});
  return until("the import is created", findId, { timeoutMs: stallTimeoutMs, everyMs, signal });
}

async function follow(request: ImportRequest, id: string): Promise<Import> {
  const { url, headers, onProgress, signal } = request;
  let before = "";
  for (;;) {
    const now = await until(
      `import ${id} makes progress`,
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
