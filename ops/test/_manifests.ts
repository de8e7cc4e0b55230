import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { z } from "zod";

const Labels = z.record(z.string(), z.string());
const PortRef = z.union([z.string(), z.number()]);
const Probe = z.looseObject({ httpGet: z.object({ path: z.string(), port: PortRef }) });

const Selector = z.object({
  matchLabels: Labels.optional(),
  matchExpressions: z
    .array(z.object({ key: z.string(), operator: z.literal("In"), values: z.array(z.string()) }))
    .optional(),
});
type Selector = z.infer<typeof Selector>;

const Container = z.looseObject({
  name: z.string(),
  image: z.string(),
  env: z.array(z.object({ name: z.string(), value: z.string() })).default([]),
  envFrom: z.array(z.object({ configMapRef: z.object({ name: z.string() }) })).default([]),
  ports: z.array(z.object({ name: z.string(), containerPort: z.number() })).default([]),
  startupProbe: Probe.optional(),
  livenessProbe: Probe.optional(),
  readinessProbe: Probe.optional(),
  lifecycle: z
    .object({ preStop: z.object({ sleep: z.object({ seconds: z.number() }) }) })
    .optional(),
  resources: z.object({ requests: Labels, limits: Labels }),
  securityContext: z.unknown(),
  volumeMounts: z.array(z.looseObject({ name: z.string(), mountPath: z.string() })).default([]),
});
export type Container = z.infer<typeof Container>;

const SecretVolume = z.looseObject({
  secretName: z.string(),
  items: z.array(z.object({ key: z.string(), path: z.string() })).optional(),
});

const PodTemplate = z.object({
  metadata: z.looseObject({ labels: Labels }),
  spec: z.looseObject({
    serviceAccountName: z.string(),
    terminationGracePeriodSeconds: z.number().default(30),
    securityContext: z.unknown(),
    topologySpreadConstraints: z.array(z.looseObject({ labelSelector: Selector })).default([]),
    containers: z.array(Container),
    volumes: z
      .array(z.looseObject({ name: z.string(), secret: SecretVolume.optional() }))
      .default([]),
  }),
});

const named = { metadata: z.looseObject({ name: z.string() }) };
const Target = z.looseObject({ name: z.string() });
const ServicePort = z.object({ name: z.string(), port: z.number(), targetPort: PortRef });
const backend = z.object({
  service: z.object({ name: z.string(), port: z.object({ name: z.string() }) }),
});

/** Fields that are checked of each kind; `kubectl` validates the rest. */
const kinds = {
  Deployment: z.object({
    ...named,
    spec: z.looseObject({ selector: Selector, template: PodTemplate }),
  }),
  Job: z.object({ ...named, spec: z.looseObject({ template: PodTemplate }) }),
  Service: z.object({
    ...named,
    spec: z.looseObject({
      selector: Labels.optional(),
      ports: z.array(ServicePort).default([]),
    }),
  }),
  PodDisruptionBudget: z.object({ ...named, spec: z.looseObject({ selector: Selector }) }),
  NetworkPolicy: z.object({
    ...named,
    spec: z.looseObject({
      podSelector: Selector,
      ingress: z
        .array(z.looseObject({ ports: z.array(z.looseObject({ port: PortRef })) }))
        .default([]),
      egress: z
        .array(z.looseObject({ ports: z.array(z.looseObject({ port: PortRef })) }))
        .default([]),
    }),
  }),
  Ingress: z.object({
    ...named,
    spec: z.looseObject({
      rules: z.array(
        z.object({
          host: z.string(),
          http: z.object({
            paths: z.array(
              z.looseObject({ path: z.string(), pathType: z.enum(["Exact", "Prefix"]), backend }),
            ),
          }),
        }),
      ),
    }),
  }),
  HorizontalPodAutoscaler: z.object({ ...named, spec: z.looseObject({ scaleTargetRef: Target }) }),
  ScaledObject: z.object({
    ...named,
    spec: z.looseObject({
      scaleTargetRef: Target,
      triggers: z.array(z.looseObject({ metadata: z.looseObject({ query: z.string() }) })),
    }),
  }),
  ServiceAccount: z.object(named),
  Namespace: z.object(named),
  ConfigMap: z.object({ ...named, data: Labels }),
  Secret: z.object({ ...named, data: Labels }),
};
type Kinds = typeof kinds;
type Kind = keyof Kinds;
type Of<K extends Kind> = z.infer<Kinds[K]>;

export interface Manifests {
  all<K extends Kind>(kind: K): Of<K>[];
  named<K extends Kind>(kind: K, name: string): Of<K> | undefined;
}

/** @throws ZodError on an unknown kind or an invalid shape */
export function toManifests(documents: readonly unknown[]): Manifests {
  const found = documents.map((document) => {
    const { kind } = z.looseObject({ kind: z.enum(Object.keys(kinds) as Kind[]) }).parse(document);
    return { kind, manifest: kinds[kind].parse(document) };
  });
  const all = <K extends Kind>(kind: K) =>
    found.flatMap((one) => (one.kind === kind ? [one.manifest as Of<K>] : []));
  return {
    all,
    named: (kind, name) => all(kind).find(({ metadata }) => metadata.name === name),
  };
}

const Generator = z.object({
  name: z.string(),
  behavior: z.literal("merge").optional(),
  envs: z.array(z.string()).default([]),
  literals: z.array(z.string()).default([]),
});

const Kustomization = z.looseObject({
  resources: z.array(z.string()).default([]),
  configMapGenerator: z.array(Generator).default([]),
  secretGenerator: z.array(Generator).default([]),
  images: z.array(z.looseObject({ name: z.string() })).default([]),
  patches: z
    .array(
      z.object({
        path: z.string().optional(),
        patch: z.string().optional(),
        target: z.object({ kind: z.string(), name: z.string().optional() }),
      }),
    )
    .default([]),
});

/**
 * Reads the documents of a kustomization and its bases, including generated ones; patches are checked, not applied.
 * @throws if a file does not exist, or a patch or an image matches nothing
 */
export function readKustomization(dir: string): Record<string, unknown>[] {
  const own = Kustomization.parse(parse(readFileSync(join(dir, "kustomization.yaml"), "utf8")));
  const documents = own.resources.flatMap((path) =>
    path.endsWith(".yaml")
      ? parseAllDocuments(readFileSync(join(dir, path), "utf8")).map((one) => one.toJS())
      : readKustomization(join(dir, path)),
  ) as Record<string, unknown>[];
  const generators = [
    ...own.configMapGenerator.map((one) => ({ ...one, kind: "ConfigMap" })),
    ...own.secretGenerator.map((one) => ({ ...one, kind: "Secret" })),
  ];
  for (const { kind, name, behavior, envs, literals } of generators) {
    const lines = envs.flatMap((path) => readFileSync(join(dir, path), "utf8").split("\n"));
    const data = readVariables([...lines, ...literals]);
    const old = documents.find((one) => one["kind"] === kind && getName(one) === name);
    if ((old === undefined) === (behavior === "merge")) throw new Error(`${dir}: ${kind} ${name}`);
    if (old === undefined) documents.push({ kind, metadata: { name }, data });
    else Object.assign(old["data"] as object, data);
  }
  for (const { target, path } of own.patches) {
    if (path !== undefined) parse(readFileSync(join(dir, path), "utf8"));
    const isThere = documents.some(
      (one) => one["kind"] === target.kind && (target.name ?? getName(one)) === getName(one),
    );
    if (!isThere)
      throw new Error(`${dir} patches ${target.kind} ${target.name}, which does not exist`);
  }
  const text = JSON.stringify(documents);
  for (const { name } of own.images) {
    if (!text.includes(`"image":"${name}"`)) throw new Error(`${dir} names the image ${name}`);
  }
  return documents;
}

/** Parses lines like `NAME=value`. */
export function readVariables(lines: readonly string[]): Record<string, string> {
  const pairs = lines
    .filter((line) => line.trim() !== "" && !line.startsWith("#"))
    .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)] as const);
  return Object.fromEntries(pairs);
}

function getName(document: Record<string, unknown>): unknown {
  return (document["metadata"] as { name?: unknown } | undefined)?.name;
}

export function matches({ matchLabels = {}, matchExpressions = [] }: Selector, labels: object) {
  const has = new Map<string, unknown>(Object.entries(labels));
  return (
    Object.entries(matchLabels).every(([key, value]) => has.get(key) === value) &&
    matchExpressions.every(({ key, values }) => values.some((value) => has.get(key) === value))
  );
}
