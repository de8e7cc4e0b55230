import type { ChildCounts } from "@toril/client";
import { client } from "../../app/api.ts";
import { to } from "../../app/router.ts";
import { Card, Loaded, Table } from "../../ui/layout.tsx";
import { formatCount } from "../../ui/numbers.ts";
import { Pager, usePages } from "../../ui/pager.tsx";
import { Status } from "../../ui/status.tsx";

const statuses = ["pending", "completed", "dead", "cancelled", "expired"] as const;

/** The jobs that a job waits for. */
export function JobChildren({ id, counts }: { id: string; counts: ChildCounts }) {
  const children = usePages(
    `children ${id}`,
    (cursor, signal) =>
      client.listChildren(id, { limit: 20, ...(cursor && { cursor }) }, { signal }),
    3000,
  );
  const summary = statuses
    .filter((status) => counts[status] > 0)
    .map((status) => `${formatCount(counts[status])} ${status}`);
  return (
    <Card title="Children" actions={<span class="muted">{summary.join(", ")}</span>}>
      <Loaded query={children}>
        {({ items }) => (
          <Table label="Children" head={["Status", "Job", "Type", "If it fails", "Error"]}>
            {items.map(({ id: child, status, type, parent, error }) => (
              <tr key={child}>
                <td>
                  <Status value={status} />
                </td>
                <td>
                  <a class="mono" href={to(`/jobs/${child}`)}>
                    {child}
                  </a>
                </td>
                <td class="mono">{type}</td>
                <td>{parent?.onFailure}</td>
                <td class="cut">{error?.message}</td>
              </tr>
            ))}
          </Table>
        )}
      </Loaded>
      <Pager query={children} />
    </Card>
  );
}
