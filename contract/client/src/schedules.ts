import type {
  AcceptedJob,
  PreviewedDefinition,
  Schedule,
  ScheduleDefinition,
  SchedulePage,
  SchedulePreview,
} from "./api-types.ts";
import type { JobTemplate, JobTypes, Sent } from "./job-types.ts";
import {
  type CallOptions,
  type PageQuery,
  postEmpty,
  postJson,
  putJson,
  type PutOptions,
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
    /** Creates a schedule or replaces its definition. */
    putSchedule: (
      name: string,
      definition: Scheduling<Sent<ScheduleDefinition>, { job: JobTemplate<Types> }>,
      options: PutOptions = {},
    ) => call<Schedule>(schedulePath(name), putJson(definition, options)),

    /** Lists schedules, ordered by name. */
    listSchedules: (query: PageQuery = {}, options: CallOptions = {}) =>
      call<SchedulePage>("/v1/schedules", { ...options, query: { ...query } }),

    getSchedule: (name: string, options: CallOptions = {}) =>
      call<Schedule>(schedulePath(name), options),

    deleteSchedule: (name: string, options: CallOptions = {}) =>
      call<Schedule>(schedulePath(name), { ...options, method: "DELETE" }),

    pauseSchedule: (name: string, options: WriteOptions = {}) =>
      call<Schedule>(`${schedulePath(name)}/pause`, postEmpty(options)),

    resumeSchedule: (name: string, options: WriteOptions = {}) =>
      call<Schedule>(`${schedulePath(name)}/resume`, postEmpty(options)),

    /** Enqueues the job of a schedule immediately. */
    runSchedule: (name: string, options: WriteOptions = {}) =>
      call<AcceptedJob>(`${schedulePath(name)}/run`, postEmpty(options)),

    previewSchedule: (name: string, query: PreviewQuery = {}, options: CallOptions = {}) =>
      call<SchedulePreview>(`${schedulePath(name)}/preview`, {
        ...options,
        query: { ...query },
      }),

    /** Previews the fire times of a definition without storing it. */
    previewDefinition: (
      definition: Scheduling<Sent<PreviewedDefinition>, { job?: JobTemplate<Types> }>,
      query: PreviewQuery = {},
      options: WriteOptions = {},
    ) =>
      call<SchedulePreview>("/v1/schedules/preview", {
        ...postJson(definition, options),
        query: { ...query },
      }),
  };
}

function schedulePath(name: string) {
  return `/v1/schedules/${encodeURIComponent(name)}`;
}
