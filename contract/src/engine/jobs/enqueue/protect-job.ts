import type { JobRequest } from "../../../api/jobs/job-request.ts";
import type { FieldError } from "../../../api/json/json.ts";
import type { ProblemKind } from "../../../api/problem.ts";
import type { FindSecretFields } from "../../../api/job-data/secret-fields.ts";
import type { KeyRing } from "../../secrets/key-ring.ts";
import { createScrub } from "../../secrets/scrub.ts";
import { sealData } from "../../secrets/secret-data.ts";

interface Unprotected {
  id: string;
  type: string;
  key: string | null;
  /** JSON text. */
  data: string;
}

type ProtectedJob<Job> =
  | { status: "ok"; job: Job }
  | { status: "refused"; kind: ProblemKind; errors: FieldError[] };

/**
 * Encrypts the secrets in the data and hashes those in the key. Refuses a job with a secret in a label or in a client's
 * key.
 */
export function protectJob<Job extends Unprotected>(
  job: Job,
  { data, key, labels }: JobRequest,
  findSecrets: FindSecretFields,
  keys: KeyRing | undefined,
): ProtectedJob<Job> {
  const secrets = findSecrets(data);
  if (secrets.length === 0) return { status: "ok", job };
  if (keys === undefined) {
    const errors = secrets.map(({ pointer }) => ({
      pointer: `/data${pointer}`,
      detail: "A secret can only be stored with SECRET_KEYS configured.",
    }));
    return { status: "refused", kind: "unstorable-secret", errors };
  }
  const digest = (text: string) => keys.digests(text)[0]?.slice(0, 32) ?? "";
  const scrub = createScrub(data, findSecrets, digest);
  const safeKey = job.key && scrub?.text(job.key);
  const exposed = [
    ...(key !== undefined && safeKey !== undefined && safeKey !== key ? ["/key"] : []),
    ...(labels ?? []).flatMap((label, index) =>
      scrub && scrub.text(label) !== label ? [`/labels/${index}`] : [],
    ),
  ];
  if (exposed.length > 0) {
    const detail = "Keys and labels are visible to every reader: remove the secret.";
    const errors = exposed.map((pointer) => ({ pointer, detail }));
    return { status: "refused", kind: "invalid-job", errors };
  }
  return {
    status: "ok",
    job: {
      ...job,
      key: safeKey ?? job.key,
      data: JSON.stringify(sealData(data, job, findSecrets, keys)),
    },
  };
}
