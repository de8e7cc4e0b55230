import type { Api } from "@toril/contract/api/http/index";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { createFeedParser } from "@toril/contract/engine/feeds/feed-parser";
import type { Enqueue } from "@toril/contract/engine/jobs/enqueue/enqueue";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { Idempotency } from "../idempotency/idempotency.ts";
import type { Ledgers } from "../stores/postgres.ts";
import type { Reads } from "../stores/reads.ts";
import { createFileImporter } from "./import-file.ts";
import { createImportLedger } from "./import-ledger.ts";
import { importRoutes } from "./routes.ts";

export interface ImportsDeps {
  api: Api;
  jobTypes: JobTypeRegistry;
  ledgers: Ledgers;
  reads: Reads;
  enqueue: Enqueue;
  idempotency: Idempotency;
  secretKeys: KeyRing | undefined;
}

/** Creates the import of files, with the thread that parses feeds. */
export function createImports(deps: ImportsDeps) {
  const { api, jobTypes, enqueue, idempotency, secretKeys } = deps;
  const importLedger = createImportLedger(deps.ledgers, deps.reads);
  const importer = createFileImporter(jobTypes, enqueue, importLedger, secretKeys);
  const feedParser = createFeedParser();
  return {
    importLedger,
    routes: importRoutes({
      api,
      importer,
      importLedger,
      idempotency,
      parseFeed: feedParser.parse,
    }),
    waitForImports: importer.waitForImports,
    close: () => feedParser[Symbol.asyncDispose](),
  };
}
