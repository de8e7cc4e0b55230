import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "bun:test";
import { parse } from "yaml";

import { amtool, promtool, run } from "./_prometheus.ts";
import { root, startStack } from "./_stack.ts";

interface Rule {
  alert?: string;
  record?: string;
  expr: string;
  labels?: { severity: string };
  annotations?: { summary: string; runbook_url: string };
}

interface Panel {
  id: number;
  title: string;
  targets?: { expr: string }[];
}

const text = (path: string) => readFileSync(join(root, path), "utf8");
const listFiles = (folder: string) =>
  readdirSync(join(root, folder)).map((name) => `${folder}/${name}`);

const ruleFiles = listFiles("ops/prometheus/rules");
const rules = ruleFiles.flatMap((path) => {
  const { groups }: { groups: { rules: Rule[] }[] } = parse(text(path));
  return groups.flatMap((group) => group.rules);
});
const alerts = rules.flatMap((rule) => (rule.alert === undefined ? [] : [rule.alert]));
const dashboards = listFiles("ops/grafana/dashboards").map(
  (path): { uid: string; panels: Panel[] } => JSON.parse(text(path)),
);
const panelExprs = dashboards.flatMap(({ panels }) =>
  panels.flatMap((panel) => (panel.targets ?? []).map(({ expr }) => expr)),
);

describe("the rules", () => {
  // The first of these may have to install it.
  test("and the configurations of Prometheus and Alertmanager are valid", () => {
    run(promtool(), ["check", "rules", ...ruleFiles]);
    run(promtool(), ["check", "config", "ops/prometheus/prometheus.yml"]);
    run(amtool(), ["check-config", "ops/alertmanager/alertmanager.yml"]);
  });

  test("pass their unit tests", () => {
    run(promtool(), ["test", "rules", ...listFiles("ops/prometheus/tests")]);
  });

  test("each have a unit test", () => {
    const tested = listFiles("ops/prometheus/tests").map(text).join("\n");
    // Not a name that is only expected to be silent.
    const untested = alerts.filter(
      (alert) => !new RegExp(`alertname: ${alert}\n +exp_alerts:`).test(tested),
    );
    expect(untested).toEqual([]);
  });

  test("each have a section in the runbook, which has no other sections", () => {
    const runbook = text("ops/prometheus/runbook.md");
    const sections = [...runbook.matchAll(/^### (.*)$/gm)].map(([, title]) => title ?? "");
    expect(sections.toSorted()).toEqual(alerts.toSorted());
    for (const { alert, annotations, labels } of rules.filter((rule) => rule.alert)) {
      const anchor = `ops/prometheus/runbook.md#${alert?.toLowerCase()}`;
      expect([alert, annotations?.runbook_url]).toEqual([alert, anchor]);
      expect(["page", "ticket"]).toContain(labels?.severity ?? "");
    }
    const anchors = new Set(sections.map((title) => title.toLowerCase()));
    const links = [...runbook.matchAll(/\]\(#([^)]*)\)/g)].map(([, anchor]) => anchor);
    expect(links.filter((anchor) => !anchors.has(anchor ?? ""))).toEqual([]);
  });

  test("are routed by severity", () => {
    for (const [severity, receiver] of [
      ["page", "page"],
      ["ticket", "ticket"],
    ]) {
      const args = ["config", "routes", "test", "--config.file=ops/alertmanager/alertmanager.yml"];
      expect(run(amtool(), [...args, `severity=${severity}`]).trim()).toBe(receiver!);
    }
  });

  test("silence only alerts that there are", () => {
    const config = text("ops/alertmanager/alertmanager.yml");
    const named = [...config.matchAll(/(?:Toril|Redis|Postgres)[A-Z]\w*/g)].map(([name]) => name);
    expect(named.filter((name) => !alerts.includes(name))).toEqual([]);
  });
});

describe("the dashboards", () => {
  test("have unique panel ids and valid queries", () => {
    for (const { panels } of dashboards) {
      expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    }
    const groups = [
      {
        name: "panels",
        rules: panelExprs.map((expr) => ({
          record: "panel",
          expr: expr.replaceAll("$__rate_interval", "1m"),
        })),
      },
    ];
    run(promtool(), ["check", "rules", "--lint=none", "/dev/stdin"], JSON.stringify({ groups }));
  });

  test("are provisioned with their data source", () => {
    const { datasources }: { datasources: { uid: string; url: string }[] } = parse(
      text("ops/grafana/provisioning/datasources/prometheus.yml"),
    );
    const uids = new Set(
      [...JSON.stringify(dashboards).matchAll(/"type":"prometheus","uid":"(\w+)"/g)].map(
        ([, uid]) => uid!,
      ),
    );
    expect([...uids]).toEqual(datasources.map(({ uid }) => uid));
    expect(new Set(dashboards.map(({ uid }) => uid)).size).toBe(dashboards.length);
  });
});

describe("with a running stack", () => {
  const own = new Set<string>();
  const known = new Set<string>(rules.flatMap(({ record }) => (record ? [record] : [])));

  beforeAll(async () => {
    await using stack = await startStack({ env: { LOG_SHIP_ADDRESS: "127.0.0.1:1" } });
    for (const app of [...stack.producers, ...stack.consumers]) {
      const metrics = await (await fetch(`${app.url}/metrics`)).text();
      for (const [, name, type] of metrics.matchAll(/^# TYPE (\w+) (\w+)$/gm)) {
        known.add(name!);
        if (/^(toril|bullmq|http)_/.test(name!)) own.add(name!);
        if (type !== "histogram") continue;
        for (const part of ["bucket", "sum", "count"]) known.add(`${name}_${part}`);
      }
    }
  });

  test("rules and dashboards use only metrics that the processes or the exporters export", () => {
    const foreign = /^(up|ALERTS|redis_\w+|pg_\w+)$/;
    const requested = [...rules.map(({ expr }) => expr), ...panelExprs].flatMap(metricsIn);
    expect(requested.length).toBeGreaterThan(50);
    expect(requested.filter((name) => !known.has(name) && !foreign.test(name))).toEqual([]);
  });

  test("ops/prometheus/README.md lists all metrics of Toril, and no others", () => {
    const readme = text("ops/prometheus/README.md");
    const listed = [...readme.matchAll(/`((?:toril|bullmq|http)_[a-z_]+)/g)].map(
      ([, name]) => name!,
    );
    expect(own.size).toBeGreaterThan(20);
    expect(new Set(listed)).toEqual(own);
  });
});

const words =
  /^(sum|max|count|by|on|and|or|rate|increase|deriv|changes|time|vector|histogram_quantile)$/;

/** The names of metrics, without labels, strings, ranges and functions. */
function metricsIn(expr: string): string[] {
  const bare = expr
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]|"[^"]*"/g, " ")
    .replaceAll(/\b(by|on) *\([^)]*\)/g, " ");
  return [...bare.matchAll(/[a-zA-Z_:][\w:]*/g)]
    .map(([name]) => name)
    .filter((name) => !words.test(name));
}
