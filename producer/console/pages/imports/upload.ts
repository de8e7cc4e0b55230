import { useEffect, useState } from "preact/hooks";
import { createClient, splitCsv, splitNdjson } from "@toril/client";
import { describeError, send } from "../../app/api.ts";
import type { FileFormat, Source } from "./read-source.ts";

/** A file that this page sends, in parts. */
export interface Upload {
  fileName: string;
  status: "sending" | "paused" | "failed" | "sent";
  sentBytes: number;
  /** Undefined for a compressed file. */
  totalBytes: number | undefined;
  error?: string;
}

interface Running {
  upload: Upload;
  source: Source;
  format: FileFormat;
  abort: AbortController;
}

// A long file outlasts restarts of the service.
const client = createClient({ baseUrl: location.origin, fetch: send, retry: { attempts: 12 } });
const maxParallel = 3;

/** The uploads of this page go on while other pages of the console are shown. */
const running = new Map<string, Running>();
const listeners = new Set<() => void>();

/** Sends the parts that the service does not have yet, and completes the import. */
export function startUpload(id: string, source: Source, format: FileFormat): void {
  const { file } = source;
  const totalBytes = /\.gz$/i.test(file.name) ? undefined : file.size;
  const upload: Upload = { fileName: file.name, status: "sending", sentBytes: 0, totalBytes };
  running.set(id, { upload, source, format, abort: new AbortController() });
  void sendAll(id);
}

export function pauseUpload(id: string): void {
  const found = running.get(id);
  if (found?.upload.status !== "sending") return;
  change(id, { status: "paused" });
  found.abort.abort(new Error("the upload is paused"));
}

export function continueUpload(id: string): void {
  const found = running.get(id);
  if (found === undefined || found.upload.status === "sending") return;
  startUpload(id, found.source, found.format);
}

async function sendAll(id: string) {
  const found = running.get(id);
  if (found === undefined) return;
  const { source, format, abort } = found;
  const { signal } = abort;
  change(id, {});
  let sentBytes = 0;
  try {
    const isCsv = format.format === "csv";
    const bytes = source.read();
    const parts = isCsv ? splitCsv(bytes, format) : splitNdjson(bytes);
    const count = await client.sendImportParts(id, parts, {
      parallel: maxParallel,
      contentType: isCsv ? "text/csv" : "application/x-ndjson",
      signal,
      onPart: ({ bytes }) => {
        sentBytes += bytes.length;
        if (!signal.aborted) change(id, { sentBytes });
      },
    });
    if (count === 0) throw new Error("The file is empty.");
    await client.completeImport(id, count, { signal });
    change(id, { status: "sent" });
  } catch (error) {
    if (!signal.aborted) change(id, { status: "failed", error: describeError(error) });
  }
}

function change(id: string, changes: Partial<Upload>) {
  const found = running.get(id);
  if (found === undefined) return;
  found.upload = { ...found.upload, ...changes };
  const isSending = [...running.values()].some(({ upload }) => upload.status === "sending");
  // The browser asks before it leaves the page.
  (isSending ? addEventListener : removeEventListener)("beforeunload", keepPage);
  for (const listener of listeners) listener();
}

function keepPage(event: BeforeUnloadEvent) {
  event.preventDefault();
}

/** The upload of an import, if this page sends its file. */
export function useUpload(id: string | undefined): Upload | undefined {
  const read = () => (id === undefined ? undefined : running.get(id)?.upload);
  const [, setUpload] = useState(read);
  useEffect(() => {
    const update = () => setUpload(read());
    update();
    listeners.add(update);
    return () => void listeners.delete(update);
  }, [id]);
  return read();
}
