import { Hono } from "hono";
import type { Enqueue } from "@toril/contract/engine/jobs/enqueue/enqueue";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { AppEnv } from "../http/request-context.ts";
import { home } from "./home.ts";
import { template } from "./template.ts";

/** Serves the pages for people in browsers. */
export function createPages(
  enqueue: Enqueue,
  secretKeys: KeyRing | undefined,
  version: string,
): Hono<AppEnv> {
  const pages = new Hono<AppEnv>();
  pages.get("/", home(version));
  pages.get("/template", template(enqueue, secretKeys));
  return pages;
}
