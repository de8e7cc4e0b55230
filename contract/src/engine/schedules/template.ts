import type { JobTemplate } from "../../api/jobs/job-request.ts";
import { parseSafely } from "../../api/job-data/parse-safely.ts";
import type { ScheduleDefinition } from "../../api/schedule.ts";
import { fieldErrors } from "../../api/problem.ts";
import type { JobTypeRegistry } from "../../api/registry.ts";
import type { KeyRing } from "../secrets/key-ring.ts";
import { openData, redactData, sealData } from "../secrets/secret-data.ts";

/** A job template as stored: its secrets are encrypted for the schedule with its id. */
export interface StoredTemplate {
  type: string;
  data: unknown;
  callbackUrl?: string | undefined;
}

/** A definition as stored, with encrypted secrets. */
export type StoredDefinition = Omit<ScheduleDefinition, "job"> & { job: StoredTemplate };

/** Encrypts the secrets of a template for the schedule with this id. */
export function sealTemplate(
  jobTypes: JobTypeRegistry,
  job: JobTemplate,
  id: string,
  keys: KeyRing | undefined,
): StoredTemplate {
  const findSecrets = jobTypes.find(job.type)?.findSecrets;
  if (findSecrets === undefined || keys === undefined) return job;
  return { ...job, data: sealData(job.data, { id, type: job.type }, findSecrets, keys) };
}

export type OpenedTemplate =
  | { status: "ok"; job: JobTemplate }
  | { status: "invalid"; detail: string };

/** Decrypts and validates a template. The schema of its type may have changed since the template was stored. */
export function openTemplate(
  jobTypes: JobTypeRegistry,
  job: StoredTemplate,
  id: string,
  keys: KeyRing | undefined,
): OpenedTemplate {
  const { type } = job;
  const findSecrets = jobTypes.find(type)?.findSecrets;
  let opened: unknown = job;
  if (findSecrets !== undefined) {
    const data = openData(job.data, { id, type }, findSecrets, keys);
    if (data.status !== "ok") {
      return { status: "invalid", detail: `The secret at ${data.pointer} cannot be decrypted.` };
    }
    opened = { ...job, data: data.data };
  }
  const parsed = parseSafely(jobTypes.schemas.JobTemplate, opened, ["data"]);
  if (parsed.success) return { status: "ok", job: parsed.data };
  const pointers = fieldErrors(parsed.error.issues).map(({ pointer }) => pointer);
  return {
    status: "invalid",
    detail: `The job no longer matches its schema: ${pointers.join(", ")}`,
  };
}

/** Redacts the secrets of a template. */
export function showTemplate(jobTypes: JobTypeRegistry, job: StoredTemplate): StoredTemplate {
  const findSecrets = jobTypes.findRecorded(job.type)?.findSecrets;
  return findSecrets === undefined ? job : { ...job, data: redactData(job.data, findSecrets) };
}
