import { isMainThread } from "node:worker_threads";
import { defineSandbox } from "../../cli/project/sandbox.ts";

export const sandbox = defineSandbox(import.meta.url, {
  count: async ({ to }: { to: number }) => {
    let count = 0;
    while (count < to) count++;
    return { count, isThread: !isMainThread };
  },
});
