import { type Client, type Job, type Problem, TorilError } from "@toril/client";
import type { Command } from "../command.ts";
import { connect, connectionOptions } from "../connection/connect.ts";
import { describeProblem, exitCodes, getProblemCode } from "../output/exit-codes.ts";
import { printResult } from "../output/print-result.ts";
import { styleStatus } from "../output/style.ts";

interface Changed {
  id: string;
  outcome: "changed";
  job: Job;
}

interface Refused {
  id: string;
  outcome: "refused";
  problem: Problem;
}

export const cancelJobs: Command = createChange(
  "cancel jobs; active ones are aborted",
  (client, id, signal) => client.cancelJob(id, { signal }),
);
export const retryJobs: Command = createChange("retry finished jobs", (client, id, signal) =>
  client.retryJob(id, { signal }),
);
export const promoteJobs: Command = createChange(
  "make delayed jobs due immediately",
  (client, id, signal) => client.promoteJob(id, { signal }),
);

/** Creates a command that changes jobs one after another and reports each. */
function createChange(
  summary: string,
  change: (client: Client, id: string, signal: AbortSignal) => Promise<Job>,
): Command {
  return {
    summary,
    operands: ["id..."],
    options: connectionOptions,
    async run(parsed, context) {
      const client = connect(parsed, context);
      const results: (Changed | Refused)[] = [];
      for (const id of parsed.operands) {
        results.push(await changeOne(id, () => change(client, id, context.signal)));
      }
      printResult(parsed, context, { results }, (style) =>
        results
          .filter((result) => result.outcome === "changed")
          .map(({ id, job }) => `${id}  ${styleStatus(style, job.state ?? job.status)}`)
          .join("\n"),
      );
      const refused = results.filter((result) => result.outcome === "refused");
      for (const { id, problem } of refused) context.inform(`${id}: ${describeProblem(problem)}`);
      const [first] = refused;
      if (first === undefined) return exitCodes.ok;
      return results.length === 1 ? getProblemCode(first.problem) : exitCodes.rejected;
    },
  };
}

async function changeOne(id: string, change: () => Promise<Job>): Promise<Changed | Refused> {
  try {
    return { id, outcome: "changed", job: await change() };
  } catch (error) {
    // Without a response, or without permission, the other jobs would fail as well.
    if (
      !(error instanceof TorilError) ||
      ![404, 409, 410, 422, 400].includes(error.problem.status)
    ) {
      throw error;
    }
    return { id, outcome: "refused", problem: error.problem };
  }
}
