import type { Api } from "@toril/contract/api/http/index";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { createFeedParser } from "@toril/contract/engine/feeds/feed-parser";
import type { Enqueue } from "@toril/contract/engine/jobs/enqueue/enqueue";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { Idempotency } from "../idempotency/idempotency.ts";
import type { OperationLedger } from "../operations/operation-ledger.ts";
import type { Ledgers } from "../stores/postgres.ts";
import type { FindCallbacks } from "../webhooks/find-callbacks.ts";
import type { Reads } from "../stores/reads.ts";
import { createFileImporter } from "./import-file.ts";
import { createPartImporter } from "./parts/import-part.ts";
import { createPartLedger } from "./parts/part-ledger.ts";
import { partRoutes } from "./parts/part-routes.ts";
import { createImportLedger } from "./import-ledger.ts";
import { importRoutes } from "./routes.ts";
import { createXlsxParser } from "./formats/xlsx/xlsx-parser.ts";

export interface ImportsDeps {
  api: Api;
  jobTypes: JobTypeRegistry;
  ledgers: Ledgers;
  reads: Reads;
  enqueue: Enqueue;
  idempotency: Idempotency;
  operations: Pick<OperationLedger, "create">;
  secretKeys: KeyRing | undefined;
  findCallbacks: FindCallbacks;
}

/** Creates the import of files, with the threads that parse feeds and workbooks. */
export function createImports(deps: ImportsDeps) {
  const { api, jobTypes, enqueue, idempotency, operations, secretKeys } = deps;
  const importLedger = createImportLedger(deps.ledgers, deps.reads);
  const importer = createFileImporter(jobTypes, enqueue, importLedger, secretKeys);
  const parts = createPartLedger(deps.ledgers, deps.reads);
  const partImporter = createPartImporter({ jobTypes, enqueue, parts, secretKeys });
  const feedParser = createFeedParser();
  const xlsx = createXlsxParser();
  return {
    importLedger,
    routes: [
      ...partRoutes({ api, importLedger, parts, partImporter }),
      ...importRoutes({
        api,
        importer,
        importLedger,
        idempotency,
        operations,
        secretKeys,
        findCallbacks: deps.findCallbacks,
        parseFeed: feedParser.parse,
        xlsx,
      }),
    ],
    waitForImports: importer.waitForImports,
    async close() {
      await feedParser[Symbol.asyncDispose]();
      await xlsx[Symbol.asyncDispose]();
    },
  };
}
