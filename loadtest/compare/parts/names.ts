export const partNames = [
  "post",
  "keyed",
  "bulk",
  "csv",
  "latency",
  "e2e",
  "drain",
  "backlog",
  "history",
  "memory",
  "schedules",
  "limits",
  "scaling",
] as const;
export type PartName = (typeof partNames)[number];
