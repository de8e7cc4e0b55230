import type { ISql } from "postgres";
import type { RouteConfig } from "@hono/zod-openapi";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import type { ProblemKind } from "@toril/contract/api/problem";
import type { AuditTrail } from "../audit/audit.ts";
import type { AccessRule } from "../auth/access-rule.ts";
import type { Principal } from "../auth/principal.ts";
import type { MemoryBudget, ReadPace } from "./memory.ts";
import { type QuotaReservation, createQuotaReservation } from "../quotas/quota-reservation.ts";
import type { RateLimit } from "@toril/contract/engine/quotas/key-quota";
import type { FindQuota } from "@toril/contract/engine/quotas/quotas";

/** An operation of the API, as `defineRoute` returns it. */
export type AnyRoute = RouteConfig & { operationId: string };

export interface AppEnv {
  Bindings: RequestContext;
}

export interface RequestContextSettings {
  requestId: string;
  path: string;
  jobTypes: JobTypeRegistry;
  memory: MemoryBudget;
  readPace: ReadPace;
  findQuota: FindQuota;
  /** Returns the client's address. */
  address(): string;
  connection: ClientConnection;
}

/** The remote end of a connection. */
export interface ClientConnection {
  readonly address: string;
  /** Sets the idle timeout of the connection for a slow response: at most 255 s; 0 disables it. */
  setIdleTimeout(seconds: number): void;
}

/** A response as stored for replays. */
export interface EarlyResponse {
  status: number;
  /** Header values by name. */
  headers?: Record<string, string>;
  /** The JSON body. */
  body: unknown;
}

/**
 * Stores a response in the transaction that does the request's work, so that a replay finds both or neither. The
 * response that is sent replaces it.
 */
export type StoreEarlyResponse = (tx: ISql, response: EarlyResponse) => Promise<void>;

/** The context of one request, which handlers get as `c.env`. */
export class RequestContext {
  readonly request: Request;
  readonly requestId: string;
  /** As sent, without decoding. */
  readonly path: string;
  readonly address: () => string;
  /** Undefined for a page or an unknown path. */
  route: AnyRoute | undefined = undefined;
  /** The last rule applied by `authorize`. */
  accessRule: AccessRule | undefined = undefined;
  /** The bytes of a JSON body, which the Idempotency-Key's fingerprint includes. */
  body: Uint8Array | undefined = undefined;
  /** What else two requests must have in common for the response to be replayed. */
  replayScope = "";
  /** Undefined if the response is not stored, or the operation stores it itself. */
  storeEarlyResponse: StoreEarlyResponse | undefined = undefined;
  /** The job that the request is about, for the log. */
  jobId: string | undefined = undefined;
  problem: ProblemKind | undefined = undefined;
  /** Time spent waiting for `Prefer: wait`, which request durations exclude. */
  waitedMs = 0;
  /** Trace context of this request, passed on to its jobs. */
  traceparent: string | undefined = undefined;
  readonly #jobTypes: JobTypeRegistry;
  readonly #memory: MemoryBudget;
  readonly #readPace: ReadPace;
  readonly #findQuota: FindQuota;
  readonly #connection: ClientConnection;
  #heldBytes = 0;
  #principal: Principal | undefined = undefined;
  #quota: QuotaReservation | undefined = undefined;
  #trail: AuditTrail | undefined = undefined;

  constructor(request: Request, settings: RequestContextSettings) {
    const { requestId, path, jobTypes, memory, readPace, findQuota, address, connection } =
      settings;
    this.request = request;
    this.requestId = requestId;
    this.path = path;
    this.#jobTypes = jobTypes;
    this.address = address;
    this.#memory = memory;
    this.#readPace = readPace;
    this.#findQuota = findQuota;
    this.#connection = connection;
  }

  /** The authenticated caller. Throws if the request is not authenticated. */
  get principal(): Principal {
    if (this.#principal === undefined) throw new Error("the request is not authenticated");
    return this.#principal;
  }

  /** Undefined if the request is not authenticated. */
  get tenant(): string | undefined {
    return this.#principal?.tenant;
  }

  set principal(principal: Principal) {
    this.#principal = principal;
  }

  /** The job types of the caller's tenant. */
  get jobTypes(): JobTypeRegistry {
    return this.#jobTypes.forTenant(this.principal.tenant);
  }

  /** Reserves from the quotas of the caller's key; undefined if the key has none. */
  get quota(): QuotaReservation | undefined {
    const { id, quotas } = this.principal;
    if (quotas === null) return undefined;
    return (this.#quota ??= createQuotaReservation(this.#findQuota(id, quotas)));
  }

  /** Values of the RateLimit headers; undefined if no quota was used. */
  get rateLimit(): RateLimit | undefined {
    return this.#quota?.getRateLimit();
  }

  /** Records administrative changes. Throws if the operation is not audited. */
  get trail(): AuditTrail {
    if (this.#trail === undefined) throw new Error("the operation is not audited");
    return this.#trail;
  }

  set trail(trail: AuditTrail) {
    this.#trail = trail;
  }

  /** Call if the request changes nothing, like a dry run: it is not audited. */
  changesNothing(): void {
    this.#trail?.changesNothing();
  }

  /** Takes bytes from the memory budget until the response. Throws a problem if the budget is exhausted. */
  takeMemory(bytes: number): void {
    this.#memory.take(bytes, this.principal);
    this.#heldBytes += bytes;
  }

  /** Counts bytes of a large body that were read; returns how long to wait before more are read, in ms. */
  paceReading(bytes: number): number {
    return this.#readPace.take(bytes, this.principal.tenant);
  }

  setIdleTimeout(seconds: number): void {
    this.#connection.setIdleTimeout(seconds);
  }

  /** Releases the memory that the body took. */
  releaseMemory(): void {
    if (this.#heldBytes > 0) this.#memory.release(this.#heldBytes, this.principal);
    this.#heldBytes = 0;
  }
}

/** Returns path and query as sent. For a request without a valid Host, Bun's url is already just that. */
export function getTarget(url: string): string {
  return url.startsWith("/") ? url : url.slice(url.indexOf("/", url.indexOf("://") + 3));
}

export function getPath(url: string): string {
  const target = getTarget(url);
  const end = target.indexOf("?");
  return end === -1 ? target : target.slice(0, end);
}
