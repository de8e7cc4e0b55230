import { type ApiKey, defaultTenant, Tenant } from "@toril/contract/api/access/api-key";
import type { JobTypeRegistry, RequestSchemas } from "@toril/contract/api/registry";
import { changeKey } from "@toril/contract/engine/api-keys/change-key";
import {
  issueKey,
  listKeys,
  readKeyVersion,
  revokeKey,
  rotateKey,
} from "@toril/contract/engine/api-keys/key-ledger";
import { readChangedJobTypes } from "@toril/contract/engine/job-types/job-type-ledger";
import { openJobTypeTable } from "@toril/contract/engine/job-types/job-type-table";
import type { Sql } from "postgres";
import { UserError } from "../../dev/user-error.ts";
import { recordChangeAs } from "../audit/record-change.ts";
import { type CommandContext, UsageError } from "../command.ts";
import { type Checked, requireValid } from "./key-options.ts";
import type { Keys } from "./keys.ts";

const pageSize = 500;

/** @param tenant of new keys and of the list; without it, `default` and all tenants */
export function createLedgerKeys(context: CommandContext, tenant: string | undefined): Keys {
  const { withLedger, user } = context;
  return {
    list: () =>
      withLedger(async (sql) => {
        const keys: ApiKey[] = [];
        for (;;) {
          const page = await listKeys(sql, { tenant, before: keys.at(-1)?.id, limit: pageSize });
          keys.push(...page);
          if (page.length < pageSize) return keys;
        }
      }),

    async create(requested) {
      const owner = requireValid("tenant", Tenant.safeParse(tenant ?? defaultTenant));
      const request = await parse(({ NewApiKey }) => NewApiKey, requested, context, owner);
      return withLedger(async (sql) => {
        const key = await issueKey(sql, owner, request, recordChangeAs(user, "createKey"));
        return { key, isFirst: (await listKeys(sql, { limit: 2 })).length === 1 };
      });
    },

    async change(id, requested) {
      const current = await withLedger((sql) => readKeyVersion(sql, id, undefined));
      if (current === undefined) throw missing(id);
      const owner = current.key.tenant;
      const change = await parse(({ ApiKeyChange }) => ApiKeyChange, requested, context, owner);
      // No check of the version: the command has shown none.
      const request = { tenant: owner, change, check() {} };
      const changed = await withLedger((sql) =>
        changeKey(sql, id, request, recordChangeAs(user, "changeKey")),
      );
      if (changed.status === "missing") throw missing(id);
      if (changed.status === "ended") throw ended(id);
      if (changed.status === "invalid") {
        throw new UsageError(`--${changed.field}: ${changed.detail}`);
      }
      if (changed.status === "last-admin") {
        throw new UserError(`The key ${id} is the last valid one of its tenant with keys:admin`);
      }
      return changed.key;
    },

    async rotate(id, graceMs) {
      const rotated = await withLedger((sql) =>
        rotateKey(sql, id, { graceMs }, recordChangeAs(user, "rotateKey")),
      );
      if (rotated.status === "missing") throw missing(id);
      if (rotated.status === "ended") throw ended(id);
      return rotated.key;
    },

    async revoke(id) {
      const revoked = await withLedger((sql) =>
        revokeKey(sql, id, undefined, recordChangeAs(user, "revokeKey")),
      );
      if (revoked === undefined) throw missing(id);
      return revoked;
    },
  };
}

function missing(id: string): UserError {
  return new UserError(`There is no key ${id}`);
}

function ended(id: string): UserError {
  return new UserError(`The key ${id} is revoked or expired`);
}

/**
 * Validates a request about keys. If it names a queue or type that the code does not define, reads the registered types
 * from the ledger first.
 */
async function parse<Value>(
  select: (schemas: RequestSchemas) => { safeParse(value: unknown): Checked<Value> },
  value: unknown,
  { loadJobTypes, withLedger }: CommandContext,
  tenant: string,
): Promise<Value> {
  const jobTypes = await loadJobTypes();
  const parsed = select(jobTypes.schemas).safeParse(value);
  if (!namesUnknownWork(parsed)) return requireValid("name", parsed);
  const { schemas } = await withLedger((sql) => loadRegistered(sql, jobTypes, tenant));
  return requireValid("name", select(schemas).safeParse(value));
}

/** Whether only the ledger can tell if a key is valid: its queue or type may be registered there. */
function namesUnknownWork(parsed: Checked<unknown>): boolean {
  if (parsed.success) return false;
  return parsed.error.issues.every(({ path }) => path[0] === "queues" || path[0] === "types");
}

/** Returns the job types of a tenant: those defined in code, and those registered in the ledger. */
async function loadRegistered(
  sql: Sql,
  code: JobTypeRegistry,
  tenant: string,
): Promise<JobTypeRegistry> {
  const rows = await readChangedJobTypes(sql, 0);
  const log = { info() {}, warn() {} };
  const table = await openJobTypeTable({ code, read: async () => rows, log });
  await table.close();
  return table.registry.forTenant(tenant);
}
