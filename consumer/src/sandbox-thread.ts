import { parentPort } from "node:worker_threads";
import { sandboxedHandlers } from "./handlers/sandboxed/index.ts";
import { serveThread } from "./sandbox/serve-thread.ts";

if (parentPort !== null) serveThread(parentPort, sandboxedHandlers);
