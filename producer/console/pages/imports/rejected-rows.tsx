import type { Import } from "@toril/client";
import { client, save } from "../../app/api.ts";
import { Action } from "../../ui/action.tsx";
import { Card, Table } from "../../ui/layout.tsx";
import { formatCount } from "../../ui/numbers.ts";

/** The first rejected rows of an import, with a download of all that are stored. */
export function RejectedRows({ found: { id, errors, counts } }: { found: Import }) {
  const hasParts = errors.some(({ part = 1 }) => part > 1);
  return (
    <Card
      title="Rejected rows"
      actions={
        <Action
          kind="small"
          run={async () => {
            const rows = await client.openImportErrors(id, { format: "csv" });
            await save(rows, `rejected-${id}.csv`);
            return undefined;
          }}
        >
          Download
        </Action>
      }
    >
      <Table label="Rejected rows" head={[...(hasParts ? ["Part"] : []), "Line", "Reason"]}>
        {errors.map(({ line, part, problem }, index) => (
          <tr key={index}>
            {hasParts && <td class="number">{part}</td>}
            <td class="number">{line}</td>
            <td class="wrap">{describeProblem(problem)}</td>
          </tr>
        ))}
      </Table>
      {counts.rejected > errors.length && (
        <p class="hint">
          The first {formatCount(errors.length)} of {formatCount(counts.rejected)}. The download has
          more, with the rows themselves.
        </p>
      )}
    </Card>
  );
}

function describeProblem({ title, detail, errors = [] }: Import["errors"][number]["problem"]) {
  const fields = errors.map(({ pointer, detail }) => `${pointer}: ${detail}`);
  return [detail ?? title, ...fields].join(" ");
}
