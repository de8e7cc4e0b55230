import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { createRowIds } from "@toril/contract/engine/jobs/enqueue/job-id";
import type { Origin } from "@toril/contract/engine/jobs/enqueue/new-job";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import { sha256 } from "../sha256.ts";
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
  jobTypes: JobTypeRegistry;
  secretKeys: KeyRing | undefined;
  /** The import, and the type of its jobs. */
  of: { id: string; tenant: string; type: string };
  origin: Origin;
  /** Maximum number of jobs to record at once. */
  maxJobs: number | undefined;
  /** Number of the part of the file, recorded with errors. */
  part?: number;
}

export function createEntryWriter(deps: EntryWriterDeps): EntryWriter {
  const { writer, of, secretKeys, maxJobs = Number.POSITIVE_INFINITY, part: number } = deps;
  const jobTypes = deps.jobTypes.forTenant(of.tenant);
  const context = { jobTypes, origin: { ...deps.origin, importId: of.id }, secretKeys };
  const getJobId = createRowIds(of.tenant, of.id, sha256);
  const keepsTexts = jobTypes.find(of.type)?.findSecrets === undefined;
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
