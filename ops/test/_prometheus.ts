import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";

import { startChild } from "../dev/processes/child.ts";
import { installProgram } from "../dev/stores/install-program.ts";
import { commandOutput } from "../dev/processes/process-table.ts";
import { stablePort } from "../dev/processes/restartable.ts";
import { list } from "./_documents.ts";
import { root } from "./_stack.ts";

export const promtool = () => find("promtool");
export const amtool = () => find("amtool");

function find(...names: string[]): string {
  const onPath = () =>
    names.find((name) => commandOutput("sh", ["-c", `command -v ${name}`]) !== "");
  const found = onPath() ?? (installProgram("prometheus") ? onPath() : undefined);
  if (found === undefined) throw new Error(`no ${names.join(" or ")}: install Prometheus`);
  return found;
}

/** Returns the output of a command; throws if it fails. */
export function run(command: string, args: readonly string[], input = ""): string {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    encoding: "utf8",
    input,
  });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

export interface FiringAlert {
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

export interface Monitoring extends AsyncDisposable {
  readonly url: string;
  query(expr: string): Promise<{ metric: Record<string, string>; value: number }[]>;
  /** Alerts that Alertmanager sent, with their receiver. */
  readonly notifications: readonly (FiringAlert & { receiver: string })[];
}

interface Targets {
  producer: readonly string[];
  consumer: readonly string[];
}

interface PrometheusConfig {
  global: object;
  alerting: object;
  scrape_configs: { job_name: string }[];
}

interface Rules {
  groups: { rules: { for?: string }[] }[];
}

interface AlertmanagerConfig {
  route: { routes: object[] };
  receivers: { name: string }[];
}

/** Starts Prometheus and Alertmanager with the real rules and routes, shorter waiting times, and these targets. */
export async function startMonitoring(targets: Targets, port: number): Promise<Monitoring> {
  await using opening = new AsyncDisposableStack();
  const dir = mkdtempSync(join(tmpdir(), "toril-prometheus-"));
  opening.defer(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  const alertPort = await stablePort();
  const notifications: Monitoring["notifications"][number][] = [];
  const pager = opening.use(
    startPager((receiver, alerts) => {
      notifications.push(...alerts.map((alert) => ({ ...alert, receiver })));
    }),
  );

  const alertmanager: AlertmanagerConfig = parse(text("ops/alertmanager/alertmanager.yml"));
  const quick = { group_wait: "100ms", group_interval: "1s" };
  write(dir, "alertmanager.yml", {
    ...alertmanager,
    route: {
      ...alertmanager.route,
      ...quick,
      routes: alertmanager.route.routes.map((route) => ({ ...route, ...quick })),
    },
    receivers: alertmanager.receivers.map(({ name }) => ({
      name,
      webhook_configs: [{ url: `${pager.url}/${name}` }],
    })),
  });
  const prometheus: PrometheusConfig = parse(text("ops/prometheus/prometheus.yml"));
  write(dir, "prometheus.yml", {
    ...prometheus,
    global: { scrape_interval: "1s", evaluation_interval: "1s" },
    rule_files: [join(dir, "rules", "*.yml")],
    alerting: { alertmanagers: [{ static_configs: [{ targets: [`127.0.0.1:${alertPort}`] }] }] },
    scrape_configs: Object.entries(targets).map(([job_name, addresses]) => ({
      job_name,
      static_configs: [{ targets: addresses }],
    })),
  });

  mkdirSync(join(dir, "rules"));
  for (const path of list(join(root, "ops/prometheus"), "rules/*.yml")) {
    const rules: Rules = parse(text(join("ops/prometheus", path)));
    for (const rule of rules.groups.flatMap((group) => group.rules)) {
      if (rule.for !== undefined) rule.for = "2s";
    }
    write(dir, path, rules);
  }
  mkdirSync(join(dir, "data"));
  const start = async (name: string, command: string, at: number, args: readonly string[]) => {
    const child = opening.use(
      await startChild({
        name,
        command,
        args,
        cwd: dir,
        env: { PATH: process.env["PATH"] },
        logFile: join(dir, `${name}.log`),
        stopMs: 5000,
      }),
    );
    await child.ready(async () => (await fetch(`http://127.0.0.1:${at}/-/ready`)).ok || undefined, {
      timeoutMs: 30_000,
    });
  };
  await start("alertmanager", find("prometheus-alertmanager", "alertmanager"), alertPort, [
    `--config.file=${join(dir, "alertmanager.yml")}`,
    `--storage.path=${join(dir, "alerts")}`,
    `--web.listen-address=127.0.0.1:${alertPort}`,
    "--cluster.listen-address=",
  ]);
  await start("prometheus", find("prometheus"), port, [
    `--config.file=${join(dir, "prometheus.yml")}`,
    `--storage.tsdb.path=${join(dir, "data")}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ]);

  const url = `http://127.0.0.1:${port}`;
  const opened = opening.move();
  return {
    url,
    notifications,
    async query(expr) {
      const response = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(expr)}`);
      const { data } = (await response.json()) as Answer;
      return data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

interface Answer {
  data: { result: { metric: Record<string, string>; value: [number, string] }[] };
}

/** Receives the webhooks of Alertmanager. */
function startPager(receive: (receiver: string, alerts: FiringAlert[]) => void) {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const { alerts } = (await request.json()) as { alerts: FiringAlert[] };
      receive(new URL(request.url).pathname.slice(1), alerts);
      return new Response("");
    },
  });
  return {
    url: server.url.origin,
    async [Symbol.asyncDispose]() {
      await server.stop(true);
    },
  };
}

function text(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

function write(dir: string, name: string, config: object) {
  writeFileSync(join(dir, name), stringify(config));
}
