import { expect, test } from "bun:test";
import { Redis } from "ioredis";
import type { RequestContext } from "../http/request-context.ts";
import { createDashboard, dashboardPath } from "./dashboard.ts";

test("a board that failed to load affects neither updates nor the shutdown, and is loaded again", async () => {
  const redis = new Redis({ lazyConnect: true });
  let reads = 0;
  const jobTypes = {
    get queues(): readonly string[] {
      reads += 1;
      if (reads === 1) throw new Error("unreadable");
      return [];
    },
    secretQueues: new Set<string>(),
  };
  const dashboard = createDashboard({ redis, prefix: "bull", jobTypes });
  dashboard.routes.onError((error, c) => c.text(error.message, 418));
  const context = { principal: { queues: null, types: null } } as RequestContext;
  const open = () => dashboard.routes.request(`${dashboardPath}/static/missing`, {}, context);

  expect(await (await open()).text()).toBe("unreadable");
  await dashboard.update();
  expect((await open()).status).toBe(404);
  await dashboard.close();
});
