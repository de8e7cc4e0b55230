import { readEdges, readRange } from "@toril/contract/engine/redis/event-stream";
import type { Ledger } from "@toril/contract/engine/postgres/pool";
import type { RedisServers } from "@toril/contract/engine/config/redis-config";
import { createTurns } from "@toril/contract/engine/turns";
import type { Cluster, Redis } from "ioredis";
import type { Logger } from "pino";
import type { RequestContext } from "../http/request-context.ts";
import type { ImportLedger } from "../imports/import-ledger.ts";
import type { ReadOverview } from "../overview/read-overview.ts";
import { createEventStreams } from "./event-stream.ts";
import { createFollowImport, type ImportFollowing } from "./follow/follow-import.ts";
import { createFollowJob, type FollowJob, type FollowJobDeps } from "./follow/follow-job.ts";
import { createFollowJobs, type FollowJobs } from "./follow/follow-jobs.ts";
import { createFollowOverview, type OverviewFollowing } from "./follow/follow-overview.ts";
import { createEventHub } from "./hub/event-hub.ts";
import {
  type ConnectionLimit,
  createConnectionLimit,
  createUnreadBudget,
} from "./connection-limit.ts";
import { createReadFailedAttempts, createReadOutcomes } from "./hub/event-mapper.ts";
import { createReplay } from "./follow/replay.ts";
import { createStreamSources } from "./hub/stream-reader.ts";
import { createWaitForEnd, type WaitForEnd } from "./wait-for-end.ts";

export interface EventsDeps {
  redis: Redis | Cluster;
  servers: RedisServers;
  prefix: string;
  queues(): readonly string[];
  ledger: Ledger;
  imports: ImportLedger;
  readJob: FollowJobDeps["readJob"];
  readOverview: ReadOverview;
  isAuthorized(context: RequestContext): Promise<boolean>;
  maxListeners: number;
  log: Logger;
}

/** Event streams and waiting requests. */
export interface Events {
  waitForEnd: WaitForEnd;
  connectionLimit: ConnectionLimit;
  followJob: FollowJob;
  followJobs: FollowJobs;
  followImport: ImportFollowing["follow"];
  followOverview: OverviewFollowing["follow"];
  /** Number of waiting requests and open streams. */
  readonly listeners: number;
  /** Ends all waiting requests and streams. Idempotent. */
  close(): Promise<void>;
}

/** Maximum bytes that all streams together hold unread. */
const maxUnreadBytes = 64_000_000;

export function createEvents(deps: EventsDeps): Events {
  const { redis, servers, prefix, queues, ledger, imports, readJob, isAuthorized, log } = deps;
  const limit = createConnectionLimit(deps.maxListeners);
  const replayTurns = createTurns({ slots: 1 });
  const getEdges = (queue: string) => readEdges(redis, prefix, queue);
  const hub = createEventHub({
    queues,
    open: createStreamSources(servers, redis, prefix),
    readEdges: getEdges,
    readOutcomes: createReadOutcomes(ledger),
    readFailedAttempts: createReadFailedAttempts(redis, prefix),
    log,
  });
  const replay = createReplay({
    readEdges: getEdges,
    readRange: (queue, range, count) => readRange(redis, prefix, queue, range, count),
    mapToEvents: hub.mapToEvents,
    turns: replayTurns,
  });
  const openStream = createEventStreams({
    limit,
    unread: createUnreadBudget(maxUnreadBytes),
    isAuthorized,
    log,
  });
  const followImport = createFollowImport({ findMany: imports.findMany, openStream, log });
  const followOverview = createFollowOverview({ read: deps.readOverview, openStream, log });
  return {
    waitForEnd: createWaitForEnd(hub, limit),
    connectionLimit: limit,
    followJob: createFollowJob({ hub, replay, openStream, readJob, log }),
    followJobs: createFollowJobs({ hub, replay, openStream }),
    followImport: followImport.follow,
    followOverview: followOverview.follow,
    get listeners() {
      return limit.count;
    },
    async close() {
      followImport.close();
      followOverview.close();
      replayTurns.close();
      await hub.close();
    },
  };
}
