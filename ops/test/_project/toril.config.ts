import { appendFileSync } from "node:fs";
import { type ContextTools, defineConfig, shipped } from "../../cli/project/index.ts";
import { countTo, greet, handleGreet, sendWelcome } from "./jobs.ts";
import { sandbox } from "./sandboxed.ts";

/** The test reads from this file when the context was opened and closed. */
const trace = (text: string) => {
  const path = process.env["PROJECT_TRACE"];
  if (path !== undefined) appendFileSync(path, `${text}\n`);
};

export default defineConfig({
  jobTypes: [greet, countTo, sendWelcome],
  context({ onClose }: ContextTools) {
    trace("opened");
    onClose(() => trace("closed"));
    return { greet: (name: string) => `Hello ${name}` };
  },
  handlers: { greet: handleGreet },
  sandbox,
  middleware: [
    async (attempt, next) => {
      trace(`${attempt.type} starts`);
      const result = await next();
      trace(`${attempt.type} ends`);
      return result;
    },
    async ({ type, context }, next) => {
      const result = (await next()) as object;
      return type === "greet" ? { ...result, steps: [context.greet("middleware")] } : result;
    },
  ],
  plugins: [shipped],
  queues: { greetings: { concurrency: 3 } },
  defaults: { attempts: 2, backoff: { type: "fixed", delay: 1 } },
});
