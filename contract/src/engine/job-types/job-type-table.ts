import type { Logger } from "pino";
import type { JobType, WorkerKind } from "../../api/job-type.ts";
import { createRegistry, type JobTypeRegistry } from "../../api/registry.ts";
import type { JobTypeRow } from "./job-type-ledger.ts";
import { toJobType } from "./to-job-type.ts";

/** The job types of all tenants, at most `pollEveryMs` behind Postgres. */
export interface JobTypeTable {
  /** The types that are defined in code, and by `forTenant` those of a tenant. `queues` has the queues of all tenants. */
  readonly registry: JobTypeRegistry;
  /** Returns the registered types of all tenants. */
  getRegistered(): readonly RegisteredJobType[];
  /**
   * Calls back after every change.
   * @returns a function that ends the calls
   */
  onChange(listener: () => void): () => void;
  close(): Promise<void>;
}

export interface RegisteredJobType {
  tenant: string;
  jobType: JobType;
  /** As registered. */
  row: JobTypeRow;
}

export interface JobTypeTableDeps {
  code: JobTypeRegistry;
  /** Reads the types that changed after this revision, ordered by revision; 0 reads all types. */
  read(revision: number): Promise<readonly JobTypeRow[]>;
  log: Pick<Logger, "info" | "warn">;
  pollEveryMs?: number;
}

/** Keeps the promise that every process uses a changed type within 2 s. */
const defaultPollMs = 500;
/** A full reload also notices rows deleted by hand and a database restored from a backup. */
const reloadEveryMs = 60_000;

interface Entry {
  row: JobTypeRow;
  jobType: JobType;
}

/** Opens a cache of all registered types, so that a known type costs no round trip. */
export async function openJobTypeTable(deps: JobTypeTableDeps): Promise<JobTypeTable> {
  const { code, read, log, pollEveryMs = defaultPollMs } = deps;
  const tenants = new Map<string, Map<string, Entry>>();
  const registries = new Map<string, JobTypeRegistry>();
  const listeners = new Set<() => void>();
  let revision = 0;
  let reloadedAt = Number.NEGATIVE_INFINITY;
  let isFailing = false;
  let isClosed = false;
  let poll: ReturnType<typeof setTimeout> | undefined;
  let current: Promise<boolean> = Promise.resolve(false);
  let following: Promise<boolean> | undefined;

  function add(row: JobTypeRow) {
    const { tenant, type, definition } = row;
    registries.delete(tenant);
    const types = tenants.get(tenant) ?? new Map<string, Entry>();
    tenants.set(tenant, types);
    try {
      if (isShadowed(row)) throw new Error("its name or queue is defined in code");
      types.set(type, { row, jobType: toJobType(type, definition) });
    } catch (error) {
      types.delete(type);
      if (row.deletedAt === null) log.warn({ err: error, tenant, type }, "unusable job type");
    }
  }

  /** Whether a newer version of the service defines the name or the queue of a registered type. */
  function isShadowed({ type, queue }: JobTypeRow) {
    return code.find(type) !== undefined || code.queues.includes(queue);
  }

  async function load(): Promise<boolean> {
    const isReload = performance.now() - reloadedAt > reloadEveryMs;
    try {
      const rows = await read(isReload ? 0 : revision);
      const isChanged = isReload ? reload(rows) : rows.length > 0;
      if (!isReload) for (const row of rows) add(row);
      revision = rows.at(-1)?.revision ?? (isReload ? 0 : revision);
      if (isFailing) log.info("job types can be read again");
      isFailing = false;
      if (isChanged) for (const listener of listeners) listener();
      return true;
    } catch (error) {
      if (!isFailing)
        log.warn({ err: error }, "failed to read job types; the known ones stay valid");
      isFailing = true;
      return false;
    }
  }

  function reload(rows: readonly JobTypeRow[]): boolean {
    reloadedAt = performance.now();
    const getKnown = ({ tenant, type }: JobTypeRow) => tenants.get(tenant)?.get(type)?.row;
    const isSame = rows.every((row) => getKnown(row)?.revision === row.revision);
    if (isSame && rows.length === getEntries().length) return false;
    tenants.clear();
    registries.clear();
    for (const row of rows) add(row);
    return true;
  }

  function getEntries(): Entry[] {
    return [...tenants.values()].flatMap((types) => [...types.values()]);
  }

  function getActive(): Entry[] {
    return getEntries().filter(({ row }) => row.deletedAt === null);
  }

  function refresh(): Promise<boolean> {
    // A read in progress may have started before the change that the caller looks for.
    following ??= (async () => {
      await current;
      following = undefined;
      return (current = load());
    })();
    return following;
  }

  function pollLater() {
    if (!isClosed) poll = setTimeout(() => void refresh().then(pollLater), pollEveryMs);
  }

  function forTenant(tenant: string): JobTypeRegistry {
    const types = tenants.get(tenant);
    if (types === undefined) return withoutRegistered;
    const known = registries.get(tenant);
    if (known !== undefined) return known;
    const active = [...types.values()].flatMap(({ row, jobType }) =>
      row.deletedAt === null ? [jobType] : [],
    );
    const deletedNames = [...types.values()].flatMap(({ row }) =>
      row.deletedAt === null ? [] : [row.type],
    );
    const registry: JobTypeRegistry = {
      ...createRegistry([...code.types, ...active], deletedNames),
      findRecorded: (type) => code.find(type) ?? types.get(type)?.jobType,
      forTenant,
      refresh,
      getRevision,
    };
    registries.set(tenant, registry);
    return registry;
  }

  const getRevision = () => revision;
  const withoutRegistered: JobTypeRegistry = { ...code, forTenant, refresh, getRevision };
  const getQueues = (kind: WorkerKind) => [
    ...new Set([
      ...code.getQueues(kind),
      ...getActive().flatMap(({ jobType }) => (jobType.worker === kind ? jobType.queue : [])),
    ]),
  ];
  const registry: JobTypeRegistry = {
    ...withoutRegistered,
    get queues() {
      return [...new Set([...code.queues, ...getActive().map(({ row }) => row.queue)])];
    },
    get secretQueues() {
      const secret = getEntries().filter(({ jobType }) => jobType.findSecrets !== undefined);
      return new Set([...code.secretQueues, ...secret.map(({ row }) => row.queue)]);
    },
    getQueues,
  };

  await refresh();
  pollLater();
  return {
    registry,
    getRegistered: () =>
      getActive().map(({ row, jobType }) => ({ tenant: row.tenant, jobType, row })),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      isClosed = true;
      clearTimeout(poll);
      await following;
      await current;
    },
  };
}
