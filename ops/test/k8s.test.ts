import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import { parseAllDocuments } from "yaml";

import openapi from "../../openapi.yaml";
import { checkManifests } from "./_check-manifests.ts";
import { matches, readKustomization, readVariables, toManifests } from "./_manifests.ts";
import { root } from "./_stack.ts";

const folder = join(root, "ops/k8s");
const example = readFileSync(join(folder, "secret.example.env"), "utf8");
const secrets = { "toril-stores": Object.keys(readVariables(example.split("\n"))) };
const overlays = ["base", "overlays/dev", "overlays/prod"];
const hasKubectl = Bun.which("kubectl") !== null;

test.each(overlays)("the manifests of %s are consistent", (overlay) => {
  const manifests = toManifests(readKustomization(join(folder, overlay)));
  expect(checkManifests(manifests, secrets)).toEqual([]);
});

test.skipIf(!hasKubectl).each(overlays)(
  "the manifests that kubectl builds from %s are consistent",
  (overlay) => {
    const { stdout, stderr } = spawnSync("kubectl", ["kustomize", join(folder, overlay)], {
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    const manifests = toManifests(parseAllDocuments(stdout).map((one) => one.toJS()));
    expect(checkManifests(manifests, secrets)).toEqual([]);
  },
);

test("the Ingress exposes the API and the console, but neither metrics nor health checks", () => {
  const [ingress] = toManifests(readKustomization(join(folder, "base"))).all("Ingress");
  const opened = ingress!.spec.rules.flatMap(({ http }) => http.paths);
  const isOpen = (path: string) =>
    opened.some(
      ({ path: open, pathType }) =>
        path === open || (pathType === "Prefix" && path.startsWith(open.replace(/\/?$/, "/"))),
    );
  // The console reads the version from the home page.
  const operations = ["/", "/console/jobs", ...Object.keys((openapi as { paths: object }).paths)];
  const inside = ["/livez", "/readyz", "/metrics"];
  expect(operations.filter((path) => !isOpen(path) && !inside.includes(path))).toEqual([]);
  expect(inside.filter(isOpen)).toEqual([]);
});

test("producers may connect to the Prometheus that scrapes them", () => {
  const policies = toManifests(readKustomization(join(folder, "base"))).all("NetworkPolicy");
  const producer = { "app.kubernetes.io/name": "toril", "app.kubernetes.io/component": "producer" };
  const ports = policies
    .filter(({ spec }) => matches(spec.podSelector, producer))
    .flatMap(({ spec }) => spec.egress.flatMap((rule) => rule.ports.map(({ port }) => port)));
  expect(ports).toContain(9090);
});

test("consumers scale by metrics that producers export", () => {
  const [scaled] = toManifests(readKustomization(join(folder, "base"))).all("ScaledObject");
  const queries = scaled!.spec.triggers.map(({ metadata }) => metadata.query).join("\n");
  const metrics = queries.match(/\b[a-z]+(?:_[a-z]+)+\b/g) ?? [];
  const sources = [...new Bun.Glob("producer/src/**/*.ts").scanSync(root)]
    .map((path) => readFileSync(join(root, path), "utf8"))
    .join("\n");
  expect(metrics.length).toBe(2);
  expect(metrics.filter((name) => !sources.includes(`name: "${name}"`))).toEqual([]);
});

describe("an invalid manifest is reported", () => {
  const broken: [from: string, to: string, complaint: string][] = [
    ['"image":"toril-producer"', '"image":"toril"', "runs toril, which is not built here"],
    ['"PORT":', '"PROT":', "sets PROT, which producer does not read"],
    ['"DATABASE_URL_FILE":', '"BULL_PREFIX":', "lacks DATABASE_URL"],
    ['"METRICS_PORT":"9464"', '"METRICS_PORT":"9465"', "does not listen on 9464"],
    ["toril/REDIS_URL", "toril/REDIS", "has no file /run/secrets/toril/REDIS for REDIS_URL_FILE"],
    ['"key":"DATABASE_URL"', '"key":"DATABASE"', "wants DATABASE of Secret toril-stores"],
    ['"secretName":"toril-stores"', '"secretName":"stores"', "has no Secret stores"],
    ['{"name":"toril-producer"}}', '{"name":"toril"}}', "has no ConfigMap toril"],
    ['"serviceAccountName":"toril"', '"serviceAccountName":"x"', "has no ServiceAccount x"],
    ['"name":"stores","mountPath"', '"name":"x","mountPath"', "mounts x, which is no volume"],
    ['"port":"status"}', '"port":"stats"}', "is probed on a port stats"],
    ['"targetPort":"http"', '"targetPort":"web"', "leads to a port web"],
    ['"port":{"name":"http"}', '"port":{"name":"web"}', "leads to toril-producer:web"],
    ['"port":9464}', '"port":9465}', "opens a port 9465"],
    ['"DRAIN_MS":"10000"', '"DRAIN_MS":"15000"', "is killed after 20 s"],
    ['"readOnlyRootFilesystem":true', '"readOnlyRootFilesystem":false', "is not hardened"],
    ['"runAsNonRoot":true', '"runAsNonRoot":false', "is not hardened"],
    ['"drop":["ALL"]', '"drop":[]', "is not hardened"],
    ['"name":"toril-consumer"},"poll', '"name":"toril"},"poll', "scales toril, which is not there"],
  ];

  const base = JSON.stringify(readKustomization(join(folder, "base")));

  test.each(broken)("when %s is %s", (from, to, complaint) => {
    const documents = JSON.parse(base.replaceAll(from, to)) as unknown[];
    expect(checkManifests(toManifests(documents), secrets).join("\n")).toContain(complaint);
  });

  test.each(["Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"])(
    "when a %s selects nothing",
    (kind) => {
      const documents = JSON.parse(base) as { kind: string }[];
      const [victim] = documents.filter((one) => one.kind === kind).slice(-1);
      const text = JSON.stringify(victim).replace(
        /"(selector|podSelector)":\{(.*?)"toril"/,
        '"$1":{$2"other"',
      );
      documents[documents.indexOf(victim!)] = JSON.parse(text) as { kind: string };
      expect(checkManifests(toManifests(documents), secrets).join("\n")).toMatch(
        new RegExp(`${kind} [-a-z]+ (selects nothing|does not select its own pods)`),
      );
    },
  );
});
