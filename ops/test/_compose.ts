import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";

const Volume = z.union([z.string(), z.looseObject({ type: z.string() })]);

const Service = z.looseObject({
  image: z.string(),
  build: z.object({ context: z.string(), dockerfile: z.string(), target: z.string() }).optional(),
  command: z.union([z.string(), z.array(z.string())]).optional(),
  environment: z.record(z.string(), z.string()).default({}),
  ports: z.array(z.string()).default([]),
  volumes: z.array(Volume).default([]),
  healthcheck: z.looseObject({ test: z.array(z.string()) }).optional(),
  stop_grace_period: z.string().default("10s"),
});
export type Service = z.infer<typeof Service>;

const Compose = z.looseObject({ services: z.record(z.string(), Service) });

export interface ComposeFile {
  text: string;
  services: [name: string, service: Service][];
}

export function readCompose(root: string): ComposeFile {
  const text = readFileSync(join(root, "compose.yaml"), "utf8");
  const { services } = Compose.parse(parse(text, { merge: true }));
  return { text, services: Object.entries(services) };
}

/** Names of interpolated variables: `${NAME:-default}`. */
export function listInterpolated(text: string): string[] {
  return [...new Set([...text.matchAll(/\$\{([A-Z][A-Z0-9_]*)/g)].map(([, name]) => name ?? ""))];
}

/** Replaces variables by their defaults. */
export function withDefaults(text: string): string {
  return text.replaceAll(/\$\{[A-Z][A-Z0-9_]*:?-?([^}]*)\}/g, "$1");
}

/** Files of this project that a service reads and that do not exist. */
export function missingFiles(root: string, { volumes, build }: Service): string[] {
  const mounted = volumes
    .filter((one) => typeof one === "string")
    .map((one) => withDefaults(one).split(":"))
    .filter(([source = "", , mode]) => source.startsWith("./") && mode === "ro")
    .map(([source = ""]) => source);
  const wanted =
    build === undefined ? mounted : [...mounted, join(build.context, build.dockerfile)];
  return wanted.filter((path) => !existsSync(join(root, path)));
}
