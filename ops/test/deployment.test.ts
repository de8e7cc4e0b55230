import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import { parse } from "yaml";
import { z } from "zod";

import openapi from "../../openapi.yaml";
import project from "../../package.json" with { type: "json" };
import cli from "../cli/package.json" with { type: "json" };
import ops from "../package.json" with { type: "json" };
import { defaultFor, readsVariable, type Program } from "../dev/checks/configuration.ts";
import { images } from "./_check-manifests.ts";
import {
  listInterpolated,
  missingFiles,
  readCompose,
  withDefaults,
  type Service,
} from "./_compose.ts";
import { documentedNames } from "./_documents.ts";
import { root } from "./_stack.ts";

const compose = readCompose(root);
const caddyfile = readFileSync(join(root, "ops/caddy/Caddyfile"), "utf8");
const dockerfile = readFileSync(join(root, "ops/docker/Dockerfile"), "utf8");

/** Which of ours a service runs. */
function getProgram({ image, build, command = "" }: Service): Program | undefined {
  if (build === undefined) return undefined;
  const program = (images as Record<string, Program>)[image.split(":")[0] ?? ""];
  return program === "consumer" && command.includes("migrate.js") ? "migrate" : program;
}

const prometheusPath = join(root, "ops/prometheus/prometheus.yml");
const Scraped = z.looseObject({
  scrape_configs: z.array(
    z.looseObject({
      dns_sd_configs: z
        .array(z.looseObject({ names: z.array(z.string()), port: z.number() }))
        .default([]),
      static_configs: z.array(z.looseObject({ targets: z.array(z.string()) })).default([]),
    }),
  ),
});

const own = compose.services.flatMap(([name, service]) => {
  const program = getProgram(service);
  return program === undefined ? [] : [{ name, service, program }];
});

describe("compose.yaml", () => {
  test("runs every program", () => {
    const programs = own.map(({ program }) => program);
    expect(programs.toSorted()).toEqual(["consumer", "migrate", "producer"]);
  });

  test.each(own)("sets for $name only variables that its program reads", ({ service, program }) => {
    const names = Object.keys(service.environment);
    expect(names.filter((name) => !readsVariable(program, name))).toEqual([]);
  });

  test.each(own)("builds $name from a stage of the Dockerfile, at this version", ({ service }) => {
    expect(dockerfile).toContain(` AS ${service.build?.target}\n`);
    expect(service.image).toBe(`toril-${service.build?.target}:${project.version}`);
  });

  test("builds images with all dependencies of the command line", () => {
    expect(dockerfile).toMatch(/^RUN bun install .*--production/m);
    // The image has Bun.
    const needed = Object.keys(cli.dependencies).filter((name) => name !== "bun");
    expect(needed.filter((name) => !(name in ops.dependencies))).toEqual([]);
  });

  test.each(own.filter(({ program }) => program !== "migrate"))(
    "publishes and checks ports on which $name listens, and gives it time to drain",
    ({ service, program }) => {
      const { PORT, METRICS_PORT, DRAIN_MS } = service.environment;
      const listens = new Set([PORT ?? defaultFor(program, "PORT"), METRICS_PORT]);
      const published = service.ports.map((one) => withDefaults(one).split(":").at(-1));
      const requested = service.healthcheck?.test.at(-1);
      expect([...published, requested].filter((port) => !listens.has(port))).toEqual([]);
      const drainMs = Number(DRAIN_MS ?? defaultFor(program, "DRAIN_MS"));
      expect(Number.parseInt(service.stop_grace_period) * 1000).toBeGreaterThan(drainMs);
    },
  );

  test("mounts and builds existing files only", () => {
    const missing = compose.services.flatMap(([, service]) => missingFiles(root, service));
    expect(missing).toEqual([]);
  });

  test("uses documented variables only", () => {
    const documented = documentedNames(root);
    const unexplained = listInterpolated(compose.text).filter(
      (name) => !documented.has(name) && name !== "COMPOSE_PROJECT_NAME",
    );
    expect(unexplained).toEqual([]);
  });

  test("addresses services by ports on which they listen", () => {
    const scraped = Scraped.parse(parse(readFileSync(prometheusPath, "utf8"))).scrape_configs;
    const targets = scraped.flatMap(({ dns_sd_configs, static_configs }) => [
      ...dns_sd_configs.flatMap(({ names, port }) => names.map((name) => `${name}:${port}`)),
      ...static_configs.flatMap((one) => one.targets),
    ]);
    const text = [compose.text, caddyfile, ...targets].join("\n");
    const named = /(?<![\w/-])(?:\$\{COMPOSE_PROJECT_NAME\}-)?(producer|consumer)(?:-\d+)?:(\d+)/g;
    for (const [address, program, port] of text.matchAll(named)) {
      const { environment = {} } = own.find((one) => one.program === program)?.service ?? {};
      const listens = [environment["PORT"], environment["METRICS_PORT"]];
      expect({ address, isThere: listens.includes(port) }).toEqual({ address, isThere: true });
    }
  });
});

describe("the Caddyfile", () => {
  const variables = [...caddyfile.matchAll(/\{\$([A-Z_]+)/g)].map(([, name]) => name ?? "");

  test("uses documented variables only", () => {
    const documented = documentedNames(root);
    expect(variables.filter((name) => !documented.has(name))).toEqual([]);
  });

  test("gets from compose.yaml only variables that it reads", () => {
    const [, caddy] = compose.services.find(([name]) => name === "caddy") ?? [];
    const names = Object.keys(caddy?.environment ?? {});
    const others = names.filter((name) => !variables.includes(name) && !name.startsWith("XDG_"));
    expect(others).toEqual([]);
  });

  test("imports only snippets that it defines", () => {
    const defined = new Set(caddyfile.match(/(?<=^\()[-\w]+(?=\))/gm));
    const imported = [...caddyfile.matchAll(/^\s*import ([-\w]+(?:\{\$\w+:[-\w]+\})?)/gm)].map(
      ([, name = ""]) => name.replace(/\{\$\w+:([-\w]+)\}/, "$1"),
    );
    expect(imported.length).toBeGreaterThan(0);
    expect(imported.filter((name) => !defined.has(name))).toEqual([]);
  });

  test("uses a health check path of the API", () => {
    const [, path = ""] = /health_uri (\S+)/.exec(caddyfile) ?? [];
    expect(Object.keys((openapi as { paths: object }).paths)).toContain(path);
  });
});

describe("images", () => {
  test("use the versions of package.json", () => {
    const { bun, node } = project.devDependencies;
    const bases = new Set(dockerfile.match(/(?<=^FROM )\S+?:[\d.]+/gm));
    expect([...bases].toSorted()).toEqual([`node:${node}`, `oven/bun:${bun}`]);
  });

  test("copy existing files only", () => {
    const copies = [...dockerfile.matchAll(/^COPY (?!--from)(?:--\S+ )*(.+) \S+$/gm)];
    const paths = copies.flatMap(([, sources = ""]) => sources.split(" "));
    expect(paths.length).toBeGreaterThan(0);
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  test.each(["dev", "prod"])("are at this version in the overlay %s", (overlay) => {
    const text = readFileSync(
      join(root, "ops/k8s/overlays", overlay, "kustomization.yaml"),
      "utf8",
    );
    const tags = [...text.matchAll(/newTag: (\S+)/g)].map(([, tag]) => tag);
    expect(tags).toEqual([project.version, project.version]);
  });
});
