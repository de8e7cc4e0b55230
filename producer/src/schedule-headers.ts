import type { ScheduleRow } from "@toril/contract/schedule/schedule-ledger";

export function scheduleHeaders({ version }: ScheduleRow) {
  return { ETag: `"${version}"` };
}
