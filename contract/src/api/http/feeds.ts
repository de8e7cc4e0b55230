import { z } from "zod";
import { FeedPage } from "../feeds/feed.ts";
import { AcceptedJob } from "../jobs/accepted-job.ts";
import { feedFetch } from "../job-types/feed-fetch.ts";
import { pageQuery } from "../page.ts";
import { json, locationBelow } from "./define/headers.ts";
import { bodyProblems, defineRoute } from "./define/route.ts";

const tags: [string] = ["Feeds"];
const acceptedJob = { content: json(AcceptedJob), headers: locationBelow("/v1/jobs") };

export const listFeeds = defineRoute({
  operationId: "listFeeds",
  summary: "List feeds",
  description: "Returns the feeds that `feed.fetch` jobs of the tenant fetched, by source.",
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/feeds",
  request: { query: z.strictObject(pageQuery) },
  responses: { 200: { description: "One page of feeds", content: json(FeedPage) } },
  problems: ["invalid-parameter", "forbidden-resource", "at-capacity"],
});

export const fetchFeed = defineRoute({
  operationId: "fetchFeed",
  summary: "Fetch a feed now",
  description:
    "Enqueues a `feed.fetch` job for a feed that was fetched before. The job fetches the feed even if polling ended or the server asked to wait.",
  tags,
  scope: "jobs:enqueue",
  method: "post",
  path: "/v1/feeds/fetch",
  request: { body: { required: true, content: json(feedFetch.data) } },
  responses: {
    201: { description: "Recorded and dispatched to Redis", ...acceptedJob },
    202: {
      description: "Recorded; Redis is unavailable, the job will be dispatched later",
      ...acceptedJob,
    },
  },
  problems: [
    "empty-body",
    ...bodyProblems,
    "invalid-job",
    "unstorable-secret",
    "forbidden-resource",
    "feed-not-found",
    "quota-exceeded",
    "at-capacity",
  ],
});
