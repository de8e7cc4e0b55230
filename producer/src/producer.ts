import type { JobTypeRegistry } from "@toril/contract/api/registry";
import project from "../package.json" with { type: "json" };
import { createConsoleFiles } from "./console/console-files.ts";
import { createAudit } from "./audit/audit.ts";
import { createSignInAudit } from "./audit/sign-in-audit.ts";
import { toSignInSettings } from "./auth/sign-in/config.ts";
import { createIssuerSignIn } from "./auth/sign-in/issuer-sign-in.ts";
import { clientAddress } from "./auth/client-address.ts";
import type { Config } from "./config.ts";
import { createApp } from "./http/app.ts";
import { createMemoryBudget, createReadPace } from "./http/memory.ts";
import { createMiddleware } from "./http/middleware.ts";
import { createPipeline } from "./http/pipeline.ts";
import { createErrorHandler } from "./http/problem.ts";
import { createReplayMiddleware } from "./idempotency/replay-middleware.ts";
import { createConsole } from "./pages/console.ts";
import { createSession } from "./pages/session.ts";
import { createDocs } from "./pages/docs.ts";
import { createPages } from "./pages/pages.ts";
import { createSharedQuotas } from "./quotas/quota-reservation.ts";
import { createRoutes } from "./routes.ts";
import type { Runtime } from "./runtime/serve.ts";
import { openSubjects, type Telemetry } from "./subjects.ts";

export interface Producer {
  url: URL;
  /** The address of the METRICS_PORT server. */
  metricsUrl: URL | undefined;
  /** Finishes requests in progress for at most `DRAIN_MS`, then closes everything. */
  close(): Promise<void>;
}

export async function openProducer(
  code: JobTypeRegistry,
  config: Config,
  telemetry: Telemetry,
  runtime: Runtime,
): Promise<Producer> {
  const { log, tracing } = telemetry;
  const signIn = toSignInSettings(config);
  await using opening = new AsyncDisposableStack();
  let isDraining = false;
  const subjects = await openSubjects(code, config, telemetry, opening);
  const { api, jobTypes, redis, ledgers, secretKeys, dispatching, metrics } = subjects;
  const { auth, dashboard, idempotency, imports, jobs, events, worker } = subjects;
  const onError = createErrorHandler(log);
  const { createJob, routes: jobRoutes } = jobs.createRoutes(events.waitForEnd);
  const audit = createAudit(ledgers.changing, log);
  const { BULL_PREFIX: prefix } = config;
  const findQuota = createSharedQuotas({ redis, prefix, ledger: ledgers.accepting, log });
  const app = createApp({
    authorize: auth.authorize,
    middleware: createMiddleware({
      authorize: auth.authorize,
      audit,
      replay: createReplayMiddleware(idempotency),
    }),
    onError,
    metrics,
    routes: createRoutes({
      ...subjects,
      config,
      jobRoutes,
      findQuota,
      isDraining: () => isDraining,
    }),
    docs: createDocs(api, code, project.version),
    pages: createPages(dispatching.enqueue, secretKeys, project.version),
    console: createConsole({
      readFiles: createConsoleFiles(),
      session: createSession({
        authorize: auth.authorize,
        penalty: auth.penalty,
        signInAudit: createSignInAudit(audit),
        issuer: signIn && createIssuerSignIn(signIn, { identify: auth.identify, log }),
      }),
    }),
    dashboard: dashboard.routes,
  });

  const pipeline = createPipeline({
    jobTypes,
    api,
    app,
    createJob,
    bulkAdmission: jobs.bulkAdmission,
    onError,
    log,
    metrics,
    tracing,
    memory: createMemoryBudget(config.MAX_BODY_BYTES),
    readPace: createReadPace(),
    authorize: auth.authorize,
    findQuota,
    clientAddress: (socketAddress, { headers }) =>
      clientAddress(socketAddress, headers.get("x-forwarded-for"), config.TRUSTED_PROXIES),
  });
  const { HOST: hostname, PORT: port, METRICS_PORT: metricsPort } = config;
  const server = runtime.serve(pipeline, { hostname, port });
  opening.defer(() => server.drain(0));
  const metricsServer =
    metricsPort === undefined
      ? undefined
      : runtime.serveMetrics(metrics, { hostname, port: metricsPort });
  opening.defer(() => metricsServer?.drain(0));
  const opened = opening.move();
  return {
    url: server.url,
    metricsUrl: metricsServer?.url,
    async close() {
      await using _ = opened;
      isDraining = true;
      worker.stopWaiting();
      await events.close();
      await server.drain(config.DRAIN_MS);
      await imports.waitForImports();
      await dispatching.enqueue.drained();
    },
  };
}
