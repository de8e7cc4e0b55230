import { appendFileSync } from "node:fs";

const noted = new Set<string>();

/** Records a problem type: the complete test run must produce every type, see ops/dev/test.ts. */
export function _noteProblem(type: string): void {
  const path = process.env["TEST_PROBLEMS_FILE"];
  if (path === undefined || noted.has(type)) return;
  noted.add(type);
  appendFileSync(path, `${type}\n`);
}
