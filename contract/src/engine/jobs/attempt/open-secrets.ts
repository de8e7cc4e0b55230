import type { JobType } from "../../../api/job-type.ts";
import type { KeyRing } from "../../secrets/key-ring.ts";
import { type Scrub, createScrub } from "../../secrets/scrub.ts";
import { openData } from "../../secrets/secret-data.ts";

export type OpenedSecrets =
  /** `scrub` removes the secrets again; undefined when the data has no secrets. */
  | { status: "ok"; data: unknown; scrub: Scrub | undefined }
  | { status: "unknown-key"; keyId: string; detail: string }
  | { status: "tampered"; detail: string };

/** Decrypts the data of a job for its handler or worker. */
export function openSecrets(
  { type, findSecrets }: JobType,
  id: string,
  data: unknown,
  keys: KeyRing | undefined,
): OpenedSecrets {
  if (findSecrets === undefined) return { status: "ok", data, scrub: undefined };
  const opened = openData(data, { id, type }, findSecrets, keys);
  if (opened.status === "ok") {
    return { ...opened, scrub: createScrub(opened.data, findSecrets) };
  }
  return opened.status === "unknown-key"
    ? {
        ...opened,
        detail: `The secret at ${opened.pointer} needs the key ${opened.keyId}, which is not in SECRET_KEYS.`,
      }
    : {
        ...opened,
        detail: `The secret at ${opened.pointer} was altered or belongs to another job.`,
      };
}
