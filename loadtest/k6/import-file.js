import { check, sleep } from "k6";
import { Trend } from "k6/metrics";
import { countAccepted, countSettled } from "./account.js";
import { bodyOf, checkImported } from "./answers.js";
import { getImport, postImport } from "./requests.js";
import { ownMessage } from "./run.js";
import { settleSeconds } from "./settings.js";

/** @typedef {import("@toril/contract/api/import").Import} Import */

const duration = new Trend("import_duration", true);

/**
 * Sends a file and follows it until each of its rows has ended.
 * @param {import("./run.js").Run} run
 * @param {number} rows
 */
export function importFile(run, rows) {
  const message = ownMessage(run);
  const lines = Array.from({ length: rows }, (_, index) => `${index},"${message}, row ${index}"\n`);
  const startedAt = Date.now();
  const made = checkImported(postImport(`number,text\n${lines.join("")}`), rows);
  if (made === undefined) return;
  countAccepted(made.counts.accepted);
  const ended = follow(made);
  duration.add(Date.now() - startedAt);
  countSettled(ended.counts);
  check(ended, {
    "an import is done": ({ status }) => status === "done",
    "each row of an import is completed": ({ counts }) =>
      counts.completed === rows && counts.dead === 0,
  });
}

/**
 * @param {Import} made
 * @returns {Import}
 */
function follow(made) {
  const deadline = Date.now() + settleSeconds * 1000;
  let current = made;
  while (current.status === "running" && Date.now() < deadline) {
    sleep(0.2);
    const response = getImport(made.id);
    if (response.status === 200) current = bodyOf(response);
  }
  return current;
}
