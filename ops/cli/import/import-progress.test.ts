import { expect, test } from "bun:test";
import type { Import } from "@toril/client";
import { createImportProgress } from "./import-progress.ts";

const counts = {
  read: 2,
  accepted: 2,
  duplicate: 0,
  rejected: 0,
  completed: 2,
  dead: 0,
  cancelled: 0,
  expired: 0,
};

function show(...imports: Pick<Import, "status" | "counts">[]): string {
  let shown = "";
  let now = 0;
  const output = { isTTY: true, write: (text: string) => (shown = text) };
  const progress = createImportProgress(output, 1000, () => (now += 1000));
  // The rows of a JSON array are sent as NDJSON, which is shorter than the file.
  progress.addBytes(900);
  for (const imported of imports) progress.show(imported as Import);
  return shown;
}

test("an import that has ended is shown as complete", () => {
  const none = { ...counts, completed: 0 };
  const pending = { status: "running", counts: none } as const;
  expect(show(pending, { status: "running", counts })).toContain("[##################--]");
  expect(show(pending, { status: "running", counts })).toContain("1 s left");
  expect(show(pending, { status: "done", counts })).toContain(`[${"#".repeat(20)}]`);
  expect(show(pending, { status: "done", counts })).not.toContain("left");
  // Of a dry run.
  expect(show({ status: "done", counts: none })).toContain(`[${"#".repeat(20)}]`);
});
