import type { EntryContext } from "../../jobs/parse-bulk.ts";
import type { ChunkWriter } from "./chunk-writer.ts";
import { addEntries, createChunk, type FilePart, isFull } from "./import-chunk.ts";

/** Collects entries in chunks and records them. */
export interface EntryWriter {
  add(part: FilePart): Promise<void>;
  /** Records the entries that do not fill a chunk. */
  flush(): Promise<void>;
}

export interface EntryWriterDeps {
  writer: ChunkWriter;
  context: EntryContext;
  /** Type of the jobs. */
  type: string;
  /** Returns the job id for the number of an entry. */
  getJobId(entry: number): string;
  /** Maximum number of jobs to record at once. */
  maxJobs: number | undefined;
  /** Number of the part of the file, recorded with errors. */
  part?: number;
}

export function createEntryWriter(deps: EntryWriterDeps): EntryWriter {
  const { writer, context, getJobId, maxJobs = Number.POSITIVE_INFINITY, part: number } = deps;
  const keepsTexts = context.jobTypes.find(deps.type)?.findSecrets === undefined;
  let chunk = createChunk(keepsTexts, number);

  async function flush() {
    const filled = chunk;
    chunk = createChunk(keepsTexts, number);
    await writer.write(filled);
  }

  return {
    async add(entries) {
      for (const part of splitPart(entries, maxJobs)) {
        if (chunk.read + part.entries.length > maxJobs) await flush();
        addEntries(chunk, part, context, getJobId);
        if (isFull(chunk)) await flush();
      }
    },
    flush,
  };
}

function* splitPart({ entries, firstNumber }: FilePart, maxLength: number): Generator<FilePart> {
  for (let start = 0; start < entries.length; start += maxLength) {
    yield { entries: entries.slice(start, start + maxLength), firstNumber: firstNumber + start };
  }
}
