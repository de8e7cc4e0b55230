import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createSignatureHeaders,
  createSigningSecret,
} from "@toril/contract/engine/webhooks/signature";
import { _freePort, _until } from "./_world.ts";

const root = join(import.meta.dir, "../..");
const secret = createSigningSecret();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "toril-receivers-"));
  await symlink(join(import.meta.dir, "../node_modules"), join(folder, "node_modules"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const job = { id: "7", type: "mail.send", attempt: 1, data: { to: "ada@example.org" } };
const event = { type: "job.completed", timestamp: "2026-11-23T09:30:00.000Z", data: { id: "7" } };

test.each([
  ["push.md", "js", job, '{"sentTo":"ada@example.org"}'],
  ["push.md", "ts", job, '{"sentTo":"ada@example.org"}'],
  ["webhooks.md", "js", event, ""],
])(
  "the receiver in docs/%s (%s) accepts signed requests and refuses others",
  async (page, language, payload, answer) => {
    const text = await Bun.file(join(root, "docs", page)).text();
    const blocks = [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, "gm"))];
    const source = blocks.map(([, code = ""]) => code).find((code) => code.includes("Webhook"));
    const file = join(folder, language === "js" ? `${page}.mjs` : `${page}.ts`);
    await writeFile(file, source!);
    const port = await _freePort();
    const command = [language === "js" ? "node" : process.execPath, file];
    const env = { ...process.env, SECRET: secret, PORT: String(port) };
    const receiver = Bun.spawn(command, { env, stdout: "ignore" });
    try {
      const body = JSON.stringify(payload);
      const post = (headers: Record<string, string>) =>
        fetch(`http://127.0.0.1:${port}/jobs`, { method: "POST", headers, body });
      const signed = createSignatureHeaders([secret], { id: "7", at: new Date(), body });
      const response = await _until(() => post(signed).catch(() => undefined));
      expect([response.status, await response.text()]).toEqual([200, answer]);
      const wrong = createSignatureHeaders([createSigningSecret()], {
        id: "7",
        at: new Date(),
        body,
      });
      expect((await post(wrong)).status).toBe(401);
      expect((await post({})).status).toBe(401);
    } finally {
      receiver.kill();
      await receiver.exited;
    }
  },
);
