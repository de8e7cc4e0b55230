import { until } from "../dev/until.ts";
import type { Send } from "./send.ts";
import { recoveryMs } from "./settings.ts";

export const schedules = ["chaos-1", "chaos-2", "chaos-3"];

export async function putSchedules(send: Send, signal: AbortSignal) {
  for (const name of schedules) {
    const job = { type: "echo", data: { message: name } };
    const json = { everyMs: 1000, overlap: "queue", job };
    await until(
      `the schedule ${name} is stored`,
      async () =>
        (await send(`/v1/schedules/${name}`, { method: "PUT", json }))?.status === 201 || undefined,
      { timeoutMs: 30_000, signal },
    );
  }
}

export async function deleteSchedules(send: Send): Promise<boolean> {
  const areGone = schedules.map((name) =>
    until(
      `the schedule ${name} is deleted`,
      async () => {
        const status = (await send(`/v1/schedules/${name}`, { method: "DELETE" }))?.status;
        return status === 200 || status === 404 || undefined;
      },
      { timeoutMs: recoveryMs },
    ),
  );
  return (await Promise.allSettled(areGone)).every(({ status }) => status === "fulfilled");
}
