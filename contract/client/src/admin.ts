import type {
  ApiKey,
  AuditPage,
  IssuedApiKey,
  KeyPage,
  KeyRotation,
  ApiKeyChange,
  NewApiKey,
  Overview,
  OverviewHistory,
  Principal,
  Queue,
  QueueChange,
  QueueCleaned,
  QueueCleaning,
  QueueDrained,
  QueueList,
  QueueSettings,
  QuotaUse,
  Readiness,
} from "./api-types.ts";
import { type FollowOptions, toFollowedOverviewEvent } from "./follow.ts";
import type { Sent } from "./job-types.ts";
import {
  type CallOptions,
  type PageQuery,
  postEmpty,
  postJson,
  type Transport,
  type WriteOptions,
} from "./transport.ts";

export interface ListAuditQuery extends PageQuery {
  /** `key:<id>`, `token:<subject>` or `cli:<user>`. */
  actor?: string;
  /** An `operationId`. */
  action?: string;
  /** Path of a resource; includes the paths below it. */
  target?: string;
  /** ISO 8601; only entries at or after this time. */
  after?: string;
  /** ISO 8601; only entries before this time. */
  before?: string;
}

/** Calls about the service, queues, API keys and the audit log. */
export function createAdminCalls({ call, followAt }: Transport) {
  return {
    /** Whether the service accepts jobs. Throws `TorilError` with status 503 if it does not. */
    getReadiness: (options: CallOptions = {}) => call<Readiness>("/readyz", options),

    listQueues: (options: CallOptions = {}) => call<QueueList>("/v1/queues", options),

    getQueue: (queue: string, options: CallOptions = {}) => call<Queue>(queuePath(queue), options),

    /** Changes the limits of a queue. Omitted fields are not changed; `null` removes a limit. */
    changeQueue: (queue: string, change: Sent<QueueChange>, options: CallOptions = {}) =>
      call<QueueSettings>(queuePath(queue), {
        ...postJson(change, options),
        method: "PATCH",
      }),

    pauseQueue: (queue: string, options: WriteOptions = {}) =>
      call<QueueSettings>(`${queuePath(queue)}/pause`, postEmpty(options)),

    resumeQueue: (queue: string, options: WriteOptions = {}) =>
      call<QueueSettings>(`${queuePath(queue)}/resume`, postEmpty(options)),

    /** Processes one batch. Repeat with `next` as the cursor until `next` is null. */
    drainQueue: (
      queue: string,
      query: { delayed?: boolean; cursor?: string } = {},
      options: WriteOptions = {},
    ) =>
      call<QueueDrained>(`${queuePath(queue)}/drain`, {
        ...postEmpty(options),
        query: { ...query, delayed: query.delayed?.toString() },
      }),

    /** Processes one batch. Repeat with `next` as the cursor until `next` is null. */
    cleanQueue: (
      queue: string,
      cleaning: QueueCleaning,
      query: { cursor?: string } = {},
      options: WriteOptions = {},
    ) =>
      call<QueueCleaned>(`${queuePath(queue)}/clean`, {
        ...postJson(cleaning, options),
        query,
      }),

    /** Returns the principal of the client, with its scopes and restrictions. */
    getPrincipal: (options: CallOptions = {}) => call<Principal>("/v1/whoami", options),

    /** Returns the activity of the last 30 minutes, the queues, and the memory of Redis. */
    getOverview: (options: CallOptions = {}) => call<Overview>("/v1/overview", options),
    /** Yields a snapshot of the overview after each connection, and its latest slots every 2 s. */
    followOverview: (options?: FollowOptions) =>
      followAt("/v1/overview/events", toFollowedOverviewEvent, options),
    /** Reads a longer period from the Prometheus that the service is configured with. */
    getOverviewHistory: (range: OverviewHistory["range"], options: CallOptions = {}) =>
      call<OverviewHistory>(`/v1/overview/history?range=${range}`, options),

    /** Creates an API key. The key itself is only returned in this response. */
    createKey: (key: Sent<NewApiKey>, write: WriteOptions = {}) =>
      call<IssuedApiKey>("/v1/keys", postJson(key, write)),

    listKeys: (query: PageQuery = {}, options: CallOptions = {}) =>
      call<KeyPage>("/v1/keys", { ...options, query: { ...query } }),

    getKey: (id: string, options: CallOptions = {}) =>
      call<ApiKey>(`/v1/keys/${encodeURIComponent(id)}`, options),

    /** Returns the quota use of an API key. */
    getKeyUse: (id: string, options: CallOptions = {}) =>
      call<QuotaUse>(`/v1/keys/${encodeURIComponent(id)}/use`, options),

    /** Changes the given fields of an API key; `null` removes a restriction, a quota or the expiry. */
    changeKey: (id: string, change: Sent<ApiKeyChange>, options: CallOptions = {}) =>
      call<ApiKey>(`/v1/keys/${encodeURIComponent(id)}`, {
        ...postJson(change, options),
        method: "PATCH",
      }),

    rotateKey: (id: string, rotation: Sent<KeyRotation> = {}, write: WriteOptions = {}) =>
      call<IssuedApiKey>(`/v1/keys/${encodeURIComponent(id)}/rotate`, postJson(rotation, write)),

    /** Lists the audit log, newest first. A filtered page may be short although more results exist. */
    listAudit: (query: ListAuditQuery = {}, options: CallOptions = {}) =>
      call<AuditPage>("/v1/audit", { ...options, query: { ...query } }),

    revokeKey: (id: string, options: CallOptions = {}) =>
      call<ApiKey>(`/v1/keys/${encodeURIComponent(id)}`, { ...options, method: "DELETE" }),
  };
}

function queuePath(queue: string) {
  return `/v1/queues/${encodeURIComponent(queue)}`;
}
