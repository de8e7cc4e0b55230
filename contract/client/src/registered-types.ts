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
  type Transport,
  type WriteOptions,
} from "./transport.ts";

export interface PutJobTypeOptions extends CallOptions {
  /** Changes the type only if it still has that version. */
  ifVersion?: number;
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
      { ifVersion, force = false, ...options }: PutJobTypeOptions = {},
    ) => {
      const { headers, ...request } = postJson(registration, options);
      const condition = ifVersion === undefined ? {} : { "If-Match": `"${ifVersion}"` };
      return call<JobTypeDescription>(typePath(type), {
        ...request,
        method: "PUT",
        query: { force: String(force) },
        headers: { ...headers, ...condition },
      });
    },

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
