import type {
  JobTypeDescription,
  JobTypePage,
  JobTypeRegistration,
  IssuedPushEndpoint,
  PushEndpoint,
  SecretRotation,
} from "./api-types.ts";
import type { Sent } from "./job-types.ts";
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

export interface PutJobTypeOptions extends PutOptions {
  /** Changes the type although pending or scheduled jobs break. */
  force?: boolean;
}

/** Calls about job types that are registered at run time. */
export function createRegisteredTypeCalls({ call }: Transport) {
  return {
    /** Registers a job type, or changes it. */
    putJobType: (
      type: string,
      registration: Sent<JobTypeRegistration>,
      { force = false, ...options }: PutJobTypeOptions = {},
    ) =>
      call<JobTypeDescription>(typePath(type), {
        ...putJson(registration, options),
        query: { force: String(force) },
      }),

    /** Lists the types of the tenant and those that are defined in code, ordered by name. */
    listJobTypes: (query: PageQuery = {}, options: CallOptions = {}) =>
      call<JobTypePage>("/v1/job-types", { ...options, query: { ...query } }),

    getJobType: (type: string, options: CallOptions = {}) =>
      call<JobTypeDescription>(typePath(type), options),

    deleteJobType: (type: string, options: CallOptions = {}) =>
      call<JobTypeDescription>(typePath(type), { ...options, method: "DELETE" }),

    /** Returns the circuit of the endpoint of a push type. */
    getPushEndpoint: (type: string, options: CallOptions = {}) =>
      call<PushEndpoint>(`${typePath(type)}/endpoint`, options),

    /** Closes the circuit, ends a pause, and enables an endpoint that answered 410. */
    resetPushEndpoint: (type: string, options: WriteOptions = {}) =>
      call<PushEndpoint>(`${typePath(type)}/endpoint/reset`, postEmpty(options)),

    /** Issues a new secret, which is only returned by this call. */
    rotatePushEndpoint: (
      type: string,
      rotation: Sent<SecretRotation> = {},
      options: WriteOptions = {},
    ) => call<IssuedPushEndpoint>(`${typePath(type)}/endpoint/rotate`, postJson(rotation, options)),
  };
}

function typePath(type: string) {
  return `/v1/job-types/${encodeURIComponent(type)}`;
}
