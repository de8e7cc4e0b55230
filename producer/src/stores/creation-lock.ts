import type { ISql } from "postgres";

/** Numbers that no other advisory lock uses. */
const locks = { operations: 7_413_004, schedules: 7_413_005, webhooks: 7_413_007 } as const;

/**
 * Serializes the creation of a tenant's resources of one kind until the transaction ends. Count existing resources only
 * under this lock: concurrent requests could each see a free slot and exceed the limit together.
 */
export async function lockCreation(
  tx: ISql,
  kind: keyof typeof locks,
  tenant: string,
): Promise<void> {
  await tx`select pg_advisory_xact_lock(${locks[kind]}, hashtext(${tenant}))`;
}
