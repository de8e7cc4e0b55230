import type { Part } from "../part.ts";
import { backlog } from "./backlog.ts";
import { bulk } from "./bulk.ts";
import { csv } from "./csv.ts";
import { drain } from "./drain.ts";
import { e2e } from "./e2e.ts";
import { history } from "./history.ts";
import { keyedPart } from "./keyed.ts";
import { latency } from "./latency.ts";
import { limits } from "./limits.ts";
import { memory } from "./memory.ts";
import type { PartName } from "./names.ts";
import { post } from "./post.ts";
import { scaling } from "./scaling.ts";
import { schedules } from "./schedules.ts";

export const parts: Record<PartName, Part> = {
  post,
  keyed: keyedPart,
  bulk,
  csv,
  latency,
  e2e,
  drain,
  backlog,
  history,
  memory,
  schedules,
  limits,
  scaling,
};
