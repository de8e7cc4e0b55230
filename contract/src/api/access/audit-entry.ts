import { z } from "zod";
import { createPage } from "../page.ts";

/** An entry of the audit log. */
export const AuditEntry = z
  .strictObject({
    seq: z.int().meta({
      description:
        "Sequence number. All tenants share one sequence: entries of other tenants are missing in between",
    }),
    at: z.iso.datetime().meta({ description: "Time, by the clock of Postgres" }),
    actor: z.string().meta({
      description:
        "The principal: `key:<id>`, `token:<subject>`, `cli:<user>`, `anyone` while no key exists, `unknown` for a failed sign-in, `consumer`",
    }),
    tenant: z.string(),
    action: z.string().meta({ description: "An `operationId`, `signIn` or `signOut`" }),
    target: z.string().meta({ description: "Path of the changed resource" }),
    address: z.string().nullable().meta({ description: "Client address; null for a command" }),
    requestId: z.string().nullable(),
    outcome: z.string().meta({
      description: "`done`, `replayed`, or the problem type of the response",
    }),
    hash: z.string().meta({
      description: "SHA-256 of the entry, including the hash of the previous one",
    }),
  })
  .meta({
    id: "AuditEntry",
    example: {
      seq: 1042,
      at: "2026-11-23T09:30:00.000Z",
      actor: "key:0mibwkq0705f60718",
      tenant: "default",
      action: "pauseQueue",
      target: "/v1/queues/default/pause",
      address: "192.0.2.7",
      requestId: "5f0c2a1b-1",
      outcome: "done",
      hash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    },
  });
export type AuditEntry = z.infer<typeof AuditEntry>;

export const AuditPage = createPage("AuditPage", AuditEntry);

/** An entry that is not part of the log yet. */
export type NewAuditEntry = Omit<AuditEntry, "seq" | "at" | "hash">;

/** An entry as stored. */
export interface AuditRow extends AuditEntry {
  /** Hash of the previous entry. */
  previous: string;
}

/** The `previous` of the first entry. */
export const firstPrevious = "0".repeat(64);

/** Returns the SHA-256 of all other fields of the row, including the hash of the previous row, in hexadecimal. */
export async function hashAuditRow(row: Omit<AuditRow, "hash">): Promise<string> {
  const { seq, at, actor, tenant, action, target, address, requestId, outcome, previous } = row;
  const text = JSON.stringify([
    seq,
    at,
    actor,
    tenant,
    action,
    target,
    address,
    requestId,
    outcome,
    previous,
  ]);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
