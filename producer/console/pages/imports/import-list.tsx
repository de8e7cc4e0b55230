import { client } from "../../app/api.ts";
import { to } from "../../app/router.ts";
import { Empty, Loaded, Table } from "../../ui/layout.tsx";
import { formatCount } from "../../ui/numbers.ts";
import { Pager, usePages } from "../../ui/pager.tsx";
import { Status } from "../../ui/status.tsx";
import { Time } from "../../ui/time.tsx";

/** The imports of the tenant, newest first. */
export function ImportList() {
  const imports = usePages(
    "imports",
    (cursor, signal) => client.listImports({ ...(cursor && { cursor }) }, { signal }),
    3000,
  );
  const head = ["Status", "Import", "Type", "Accepted", "Rejected", "Completed", "Dead", "Started"];
  return (
    <section aria-label="Imports">
      <Loaded query={imports}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="No imports yet." />
          ) : (
            <Table label="Imports" head={head}>
              {items.map(({ id, status, type, counts, createdAt, dryRun }) => (
                <tr key={id}>
                  <td>
                    <Status value={status} />
                  </td>
                  <td>
                    <a class="mono" href={to(`/imports/${id}`)}>
                      {id}
                    </a>{" "}
                    {dryRun && <span class="tag">dry run</span>}
                  </td>
                  <td class="mono">{type}</td>
                  <td class="number">{formatCount(counts.accepted)}</td>
                  <td class="number">{formatCount(counts.rejected)}</td>
                  <td class="number">{formatCount(counts.completed)}</td>
                  <td class="number">{formatCount(counts.dead)}</td>
                  <td>
                    <Time at={createdAt} />
                  </td>
                </tr>
              ))}
            </Table>
          )
        }
      </Loaded>
      <Pager query={imports} />
    </section>
  );
}
