import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import { parse } from "yaml";

import project from "../../package.json" with { type: "json" };
import { _runCommand } from "../cli/_run-command.ts";
import { withDefaults } from "./_compose.ts";
import { root } from "./_stack.ts";

interface Service {
  image: string;
  user: string;
  profiles?: string[];
  ports?: string[];
  volumes?: (string | object)[];
  read_only?: boolean;
  cap_drop?: string[];
  cap_add?: string[];
  security_opt?: string[];
  restart: string;
  network_mode?: string;
  networks?: string[];
  healthcheck?: object;
  stop_grace_period?: string;
  deploy: { replicas?: number; resources: { limits: { cpus: string; memory: string } } };
}

const read = (path: string) => readFileSync(join(root, path), "utf8");
const text = read("compose.yaml");
const compose = parse(text, { merge: true }) as {
  services: Record<string, Service>;
  networks: Record<string, { internal?: boolean }>;
};
const all = Object.entries(compose.services);
const always = all.filter(([, { profiles }]) => profiles === undefined);

test("the services without a profile are limited to 2 CPUs and 4 GB in total", () => {
  let [cpus, megabytes] = [0, 0];
  for (const [, { deploy }] of always) {
    const { limits } = deploy.resources;
    expect(limits.memory).toMatch(/^\d+M$/);
    cpus += Number(limits.cpus) * (deploy.replicas ?? 1);
    megabytes += Number.parseInt(limits.memory) * (deploy.replicas ?? 1);
  }
  expect(cpus).toBeCloseTo(2, 9);
  expect(megabytes).toBe(4096);
});

describe.each(all)("%s", (name, service) => {
  test("has a fixed image version", () => {
    expect(service.image).toMatch(/:v?\d+\.\d+(\.\d+)?(-\w+)?$/);
  });

  test("runs unprivileged on a read-only file system", () => {
    expect(service.read_only).toBe(true);
    expect(service.cap_drop).toEqual(["ALL"]);
    expect(service.security_opt).toEqual(["no-new-privileges:true"]);
    const mayBeRoot = name === "storage";
    expect(/^(0|root)(:|$)/.test(service.user)).toBe(mayBeRoot);
    if (!mayBeRoot) return;
    expect(service.cap_add).toEqual(["CHOWN"]);
    expect(service.network_mode).toBe("none");
    expect(service.restart).toBe("no");
  });

  test("is published on loopback by default", () => {
    for (const port of service.ports ?? []) {
      expect(port).toMatch(/^(127\.0\.0\.1|\$\{(HTTP|DIRECT)_BIND:-127\.0\.0\.1\}):/);
    }
  });
});

test("the stores have no published port, no outgoing network, and time to stop", () => {
  expect(compose.networks["stores"]?.internal).toBe(true);
  for (const name of ["redis", "postgres"]) {
    const { ports, networks, stop_grace_period: grace } = compose.services[name]!;
    expect(ports).toBeUndefined();
    expect(networks).toEqual(["stores"]);
    expect(Number.parseInt(grace ?? "")).toBeGreaterThanOrEqual(30);
  }
});

test("all mounted files exist", () => {
  const volumes = always.flatMap(([, service]) => service.volumes ?? []);
  const files = volumes
    .filter((volume) => typeof volume === "string")
    .map((volume) => /^(?:\$\{\w+:-)?(\.\/ops[^:}]*)/.exec(volume)?.[1])
    .filter((path) => path !== undefined);
  expect(files.length).toBeGreaterThan(3);
  expect(files.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

test("long-running services have a health check and restart", () => {
  for (const [, service] of always.filter(([, { restart }]) => restart !== "no")) {
    expect(service.restart).toBe("unless-stopped");
    expect(service.healthcheck).toBeDefined();
  }
});

test("the images use the tested versions of Bun and Node", () => {
  const bases = [...read("ops/docker/Dockerfile").matchAll(/^FROM (\S+:[\d.]+)-\S+ AS/gm)];
  const { bun, node } = project.devDependencies;
  expect(bases.map(([, base]) => base)).toEqual([
    `oven/bun:${bun}`,
    `oven/bun:${bun}`,
    `node:${node}`,
  ]);
  for (const name of ["producer", "consumer", "migrate"]) {
    expect(compose.services[name]!.image).toEndWith(`:${project.version}`);
  }
});

test.each([
  ["compose.yaml", /\$\{(\w+)/g, "ops/docker/README.md"],
  ["ops/caddy/Caddyfile", /\{\$(\w+)/g, "ops/caddy/README.md"],
])("every variable of %s is explained", (file, variable, readme) => {
  const names = new Set([...read(file).matchAll(variable)].map(([, name]) => name!));
  const explained = read(readme);
  const missing = [...names].filter((name) => !explained.includes(`\`${name}\``));
  expect(missing).toEqual([]);
});

test("the example that imports a file runs toril through Caddy, in front of four producers", async () => {
  const example = parse(read("ops/examples/csv-import.compose.yaml")) as {
    services: {
      producer: Pick<Service, "deploy">;
      import: Pick<Service, "image"> & {
        command: string[];
        environment: Record<string, string>;
        volumes: string[];
      };
    };
  };
  const { producer, import: imports } = example.services;
  expect(producer.deploy.replicas).toBe(4);
  expect(text.match(/\$\{COMPOSE_PROJECT_NAME\}-producer-\d:3000/g)).toHaveLength(4);
  expect(imports.image).toBe(compose.services["producer"]?.image ?? "");
  expect(imports.environment["TORIL_URL"]).toBe("http://caddy");
  const [program, ...words] = imports.command.map(withDefaults);
  expect(program).toBe("toril");
  expect(imports.volumes.join()).toEndWith(`:${words[1]}:ro`);
  // All options are known: only the file is missing here.
  const { code, errors } = await _runCommand(words);
  expect([code, errors]).toEqual([2, expect.stringContaining(`${words[1]} cannot be read`)]);
});
