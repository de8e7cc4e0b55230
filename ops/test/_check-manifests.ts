import { defaultFor, readsVariable, type Program } from "../dev/checks/configuration.ts";
import { matches, type Container, type Manifests } from "./_manifests.ts";

/** Programs by image; the migration uses the consumer's image. */
export const images = { "toril-producer": "producer", "toril-consumer": "consumer" } as const;

/**
 * Finds inconsistencies between valid manifests.
 * @param secrets keys of Secrets that are created manually
 */
export function checkManifests(
  manifests: Manifests,
  secrets: Readonly<Record<string, readonly string[]>>,
): string[] {
  const errors: string[] = [];
  const must = (isSo: boolean, otherwise: string) => void (isSo || errors.push(otherwise));
  const workloads = [
    ...manifests.all("Deployment").map((one) => ({ kind: "Deployment", ...one })),
    ...manifests.all("Job").map((one) => ({ kind: "Job", ...one })),
  ];
  const pods = workloads.map(({ kind, metadata, spec }) => ({
    id: `${kind} ${metadata.name}`,
    isMigrate: kind === "Job",
    labels: spec.template.metadata.labels,
    ...spec.template.spec,
  }));
  type Pod = (typeof pods)[number];

  for (const pod of pods) {
    const account = pod.serviceAccountName;
    const hasAccount = manifests.named("ServiceAccount", account) !== undefined;
    must(hasAccount, `${pod.id} has no ServiceAccount ${account}`);
    must(Bun.deepMatch(hardenedPod, pod.securityContext), `${pod.id} is not hardened`);
    for (const { labelSelector } of pod.topologySpreadConstraints) {
      must(matches(labelSelector, pod.labels), `${pod.id} spreads others`);
    }
    for (const container of pod.containers) checkContainer(pod, container);
  }

  function checkContainer(pod: Pod, container: Container) {
    const { id } = pod;
    must(Bun.deepMatch(hardened, container.securityContext), `${id} is not hardened`);
    const image = container.image.replace(/:[^/]*$/, "").replace(/^.*\//, "");
    const runs = (images as Record<string, Program>)[image];
    must(runs !== undefined, `${id} runs ${image}, which is not built here`);
    if (runs === undefined) return;
    const program = pod.isMigrate ? "migrate" : runs;

    const variables: Record<string, string> = {};
    for (const { configMapRef } of container.envFrom) {
      const map = manifests.named("ConfigMap", configMapRef.name);
      must(map !== undefined, `${id} has no ConfigMap ${configMapRef.name}`);
      Object.assign(variables, map?.data);
    }
    for (const { name, value } of container.env) variables[name] = value;
    const files = mountedSecrets(pod, container);
    for (const [name, value] of Object.entries(variables)) {
      must(readsVariable(program, name), `${id} sets ${name}, which ${program} does not read`);
      if (!name.endsWith("_FILE")) continue;
      must(files.includes(value), `${id} has no file ${value} for ${name}`);
    }
    for (const ways of [
      ["DATABASE_URL"],
      ["REDIS_URL", "REDIS_SENTINELS", "REDIS_CLUSTER_NODES"],
    ]) {
      const isSaid = ways.some((name) => name in variables || `${name}_FILE` in variables);
      const isRead = ways.some((name) => readsVariable(program, name));
      must(isSaid || !isRead, `${id} lacks ${ways.join(" or ")}`);
    }

    const ports = container.ports.map(({ name, containerPort }) => [name, containerPort] as const);
    const probes = [container.startupProbe, container.livenessProbe, container.readinessProbe];
    for (const probe of probes) {
      const port = probe?.httpGet.port;
      must(port !== undefined || pod.isMigrate, `${id} lacks a probe`);
      const isThere = port === undefined || ports.flat().includes(port);
      must(isThere, `${id} is probed on a port ${port}`);
    }
    const listens = new Set([variables["PORT"], variables["METRICS_PORT"]]);
    for (const [, port] of ports)
      must(listens.has(String(port)), `${id} does not listen on ${port}`);
    if (pod.isMigrate) return;
    const drainMs = Number(variables["DRAIN_MS"] ?? defaultFor(program, "DRAIN_MS"));
    const stopMs = (container.lifecycle?.preStop.sleep.seconds ?? 0) * 1000 + drainMs;
    must(
      pod.terminationGracePeriodSeconds * 1000 >= stopMs + closeMs,
      `${id} is killed after ${pod.terminationGracePeriodSeconds} s, a stop may take ${stopMs} ms`,
    );
  }

  function mountedSecrets(pod: Pod, container: Container): string[] {
    return container.volumeMounts.flatMap(({ name, mountPath }) => {
      const volume = pod.volumes.find((one) => one.name === name);
      must(volume !== undefined, `${pod.id} mounts ${name}, which is no volume`);
      if (volume?.secret === undefined) return [];
      const { secretName, items } = volume.secret;
      const made = manifests.named("Secret", secretName);
      const keys = made === undefined ? secrets[secretName] : Object.keys(made.data);
      if (keys === undefined) must(false, `${pod.id} has no Secret ${secretName}`);
      const wanted = items ?? (keys ?? []).map((key) => ({ key, path: key }));
      for (const { key } of wanted) {
        must(keys?.includes(key) ?? false, `${pod.id} wants ${key} of Secret ${secretName}`);
      }
      return wanted.map(({ path }) => `${mountPath}/${path}`);
    });
  }

  const isPort = (some: readonly Pod[], port: string | number) =>
    some
      .flatMap((pod) => pod.containers.flatMap(({ ports }) => ports))
      .some(({ name, containerPort }) => name === port || containerPort === port);

  for (const { metadata, spec } of manifests.all("Deployment")) {
    const isOwn = matches(spec.selector, spec.template.metadata.labels);
    must(isOwn, `Deployment ${metadata.name} does not select its own pods`);
  }
  for (const { metadata, spec } of manifests.all("Service")) {
    const { selector } = spec;
    if (selector === undefined) continue;
    const chosen = pods.filter((pod) => matches({ matchLabels: selector }, pod.labels));
    must(chosen.length > 0, `Service ${metadata.name} selects nothing`);
    for (const { targetPort } of spec.ports) {
      must(isPort(chosen, targetPort), `Service ${metadata.name} leads to a port ${targetPort}`);
    }
  }
  for (const { metadata, spec } of manifests.all("PodDisruptionBudget")) {
    const isUseful = pods.some((pod) => matches(spec.selector, pod.labels));
    must(isUseful, `PodDisruptionBudget ${metadata.name} selects nothing`);
  }
  for (const { metadata, spec } of manifests.all("NetworkPolicy")) {
    const chosen = pods.filter((pod) => matches(spec.podSelector, pod.labels));
    must(chosen.length > 0, `NetworkPolicy ${metadata.name} selects nothing`);
    for (const { port } of spec.ingress.flatMap(({ ports }) => ports)) {
      must(isPort(chosen, port), `NetworkPolicy ${metadata.name} opens a port ${port}`);
    }
  }
  for (const { metadata, spec } of manifests.all("Ingress")) {
    for (const { backend } of spec.rules.flatMap(({ http }) => http.paths)) {
      const { name, port } = backend.service;
      const service = manifests.named("Service", name);
      const isThere = service?.spec.ports.some((one) => one.name === port.name) ?? false;
      must(isThere, `Ingress ${metadata.name} leads to ${name}:${port.name}`);
    }
  }
  for (const kind of ["HorizontalPodAutoscaler", "ScaledObject"] as const) {
    for (const { metadata, spec } of manifests.all(kind)) {
      const { name } = spec.scaleTargetRef;
      const target = manifests.named("Deployment", name);
      must(target !== undefined, `${kind} ${metadata.name} scales ${name}, which is not there`);
      const hasShare = target?.spec.template.spec.containers[0]?.resources.requests["cpu"];
      must(hasShare !== undefined, `${kind} ${metadata.name} scales what requests no CPU`);
    }
  }
  return errors;
}

/** Time to close connections to the stores. */
const closeMs = 4000;

const hardenedPod = { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } };
const hardened = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ["ALL"] },
};
