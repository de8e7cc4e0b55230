import { client } from "../../app/api.ts";
import { to } from "../../app/router.ts";
import { useCan } from "../../app/session.tsx";
import { Action } from "../../ui/action.tsx";
import type { Problem } from "./problems.ts";

export interface ProblemListProps {
  problems: readonly Problem[];
  onChange(): void;
}

/** The problems, each with the action that helps. */
export function ProblemList({ problems, onChange }: ProblemListProps) {
  if (problems.length === 0) {
    return (
      <p class="notice" data-tone="good">
        <span class="status" data-tone="good">
          No problems found
        </span>
      </p>
    );
  }
  return (
    <ul class="problems" aria-label="Problems">
      {problems.map((problem) => (
        <li key={problem.id} class="notice" data-tone={problem.tone}>
          <p>{problem.text}</p>
          <span class="notice-actions">
            <Help problem={problem} onChange={onChange} />
            <a href={`${to("/runbook")}#${problem.runbook}`}>Runbook</a>
          </span>
        </li>
      ))}
    </ul>
  );
}

function Help({ problem: { action }, onChange }: { problem: Problem; onChange(): void }) {
  const can = useCan();
  if (action === undefined) return null;
  if (action.kind === "link") {
    return (
      <a class="button small" href={to(action.path, action.query)}>
        {can("operations:write") ? action.title : (action.readOnlyTitle ?? action.title)}
      </a>
    );
  }
  if (!can("queues:admin")) return null;
  return (
    <Action
      kind="small"
      run={async () => {
        await client.resumeQueue(action.queue);
        return `The queue ${action.queue} is resumed.`;
      }}
      onDone={onChange}
    >
      Resume
    </Action>
  );
}
