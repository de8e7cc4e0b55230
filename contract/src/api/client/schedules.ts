import type { SchedulePage } from "../http/schedules.ts";
import type { JobTemplate } from "../job-request.ts";
import type { JobTypes } from "../job-type.ts";
import type { AcceptedJob } from "../job.ts";
import type {
  PreviewedDefinitionInput,
  Schedule,
  ScheduleDefinitionInput,
  SchedulePreview,
} from "../schedule.ts";
import {
  type CallOptions,
  type PageQuery,
  postEmpty,
  postJson,
  type Transport,
  type WriteOptions,
} from "./transport.ts";

export interface PreviewQuery {
  /** 1 to 100; 10 by default. */
  count?: number;
  /** ISO 8601; now by default. */
  after?: string;
}

/** A schedule whose job is of one of the job types. */
type Scheduling<Definition, Job> = Omit<Definition, "job"> & Job;

export function createScheduleCalls<Types extends JobTypes>({ call }: Transport) {
  return {
    /** Creates a schedule or replaces its definition; with `ifVersion` only if the schedule still has that version. */
    putSchedule: (
      name: string,
      definition: Scheduling<ScheduleDefinitionInput, { job: JobTemplate<Types> }>,
      { ifVersion, ...options }: CallOptions & { ifVersion?: number } = {},
    ) => {
      const request = postJson(definition, options);
      if (ifVersion !== undefined) request.headers.set("If-Match", `"${ifVersion}"`);
      return call<typeof Schedule>(schedulePath(name), { ...request, method: "PUT" });
    },

    /** Lists schedules, ordered by name. */
    listSchedules: (query: PageQuery = {}, options: CallOptions = {}) =>
      call<typeof SchedulePage>("/v1/schedules", { ...options, query: { ...query } }),

    getSchedule: (name: string, options: CallOptions = {}) =>
      call<typeof Schedule>(schedulePath(name), options),

    deleteSchedule: (name: string, options: CallOptions = {}) =>
      call<typeof Schedule>(schedulePath(name), { ...options, method: "DELETE" }),

    pauseSchedule: (name: string, options: WriteOptions = {}) =>
      call<typeof Schedule>(`${schedulePath(name)}/pause`, postEmpty(options)),

    resumeSchedule: (name: string, options: WriteOptions = {}) =>
      call<typeof Schedule>(`${schedulePath(name)}/resume`, postEmpty(options)),

    /** Enqueues the job of a schedule immediately. */
    runSchedule: (name: string, options: WriteOptions = {}) =>
      call<typeof AcceptedJob>(`${schedulePath(name)}/run`, postEmpty(options)),

    previewSchedule: (name: string, query: PreviewQuery = {}, options: CallOptions = {}) =>
      call<typeof SchedulePreview>(`${schedulePath(name)}/preview`, {
        ...options,
        query: { ...query },
      }),

    /** Previews the fire times of a definition without storing it. */
    previewDefinition: (
      definition: Scheduling<PreviewedDefinitionInput, { job?: JobTemplate<Types> }>,
      query: PreviewQuery = {},
      options: WriteOptions = {},
    ) =>
      call<typeof SchedulePreview>("/v1/schedules/preview", {
        ...postJson(definition, options),
        query: { ...query },
      }),
  };
}

function schedulePath(name: string) {
  return `/v1/schedules/${encodeURIComponent(name)}`;
}
