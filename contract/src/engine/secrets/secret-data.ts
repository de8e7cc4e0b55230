import { type FindSecretFields, secretShown } from "../../api/job-data/secret-fields.ts";
import { isSealed, type KeyRing, parseSealed } from "./key-ring.ts";

/** The job that secrets belong to; they cannot be decrypted for another one. */
export interface SecretOwner {
  id: string;
  type: string;
}

/** Returns a copy of `data` with encrypted secrets. */
export function sealData(
  data: unknown,
  owner: SecretOwner,
  findSecrets: FindSecretFields,
  keys: KeyRing,
): unknown {
  const copy = structuredClone(data);
  for (const { holder, name, pointer } of findSecrets(copy)) {
    holder[name] = keys.seal(JSON.stringify(holder[name]), toSealContext(owner, pointer));
  }
  return copy;
}

export type OpenedData =
  | { status: "ok"; data: unknown }
  /** The key with this id is not configured. */
  | { status: "unknown-key"; keyId: string; pointer: string }
  | { status: "tampered"; pointer: string };

/** Returns a copy of `data` with decrypted secrets. Keeps plain values, stored before their field became a secret. */
export function openData(
  data: unknown,
  owner: SecretOwner,
  findSecrets: FindSecretFields,
  keys: KeyRing | undefined,
): OpenedData {
  const copy = structuredClone(data);
  for (const { holder, name, pointer } of findSecrets(copy)) {
    const value = holder[name];
    if (!isSealed(value)) continue;
    const opened = keys?.open(value, toSealContext(owner, pointer)) ?? unknownKey(value);
    if (opened.status !== "ok") return { ...opened, pointer };
    holder[name] = JSON.parse(opened.text);
  }
  return { status: "ok", data: copy };
}

/** Returns a copy of `data` with redacted secrets, encrypted or not. */
export function redactData(data: unknown, findSecrets: FindSecretFields): unknown {
  const copy = structuredClone(data);
  for (const { holder, name } of findSecrets(copy)) holder[name] = secretShown;
  return copy;
}

/** Returns a copy of any value with redacted encrypted texts. */
export function redactSealed(value: unknown): unknown {
  if (isSealed(value)) return secretShown;
  if (Array.isArray(value)) return value.map(redactSealed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, redactSealed(one)]));
}

/** Whether a value contains an encrypted text. */
export function hasSealed(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return isSealed(value);
  return Object.values(value).some(hasSealed);
}

function toSealContext({ id, type }: SecretOwner, pointer: string) {
  return `${id}\n${type}\n${pointer}`;
}

function unknownKey(sealed: string): { status: "unknown-key"; keyId: string } {
  return { status: "unknown-key", keyId: parseSealed(sealed)?.keyId ?? "" };
}
