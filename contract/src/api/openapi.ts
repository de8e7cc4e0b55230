import { OpenAPIRegistry, OpenApiGeneratorV31 } from "@asteasolutions/zod-to-openapi";
import { stringify } from "yaml";
import { EventGap, JobEvent } from "./event.ts";
import { routes } from "./http/index.ts";
import { securityScheme } from "./http/route.ts";
import { jsonLimits } from "./json.ts";

/** The OpenAPI 3.1 document of every operation. */
export function buildOpenApi(version: string) {
  const registry = new OpenAPIRegistry();
  registry.registerComponent("securitySchemes", securityScheme, {
    type: "http",
    scheme: "bearer",
    description:
      "`Authorization: Bearer toril_...`, a key of /v1/keys or of `toril keys create`; or an access token of the " +
      "OpenID issuer that the service is told of. Without any key, a service that only its own machine can reach serves everybody.",
  });
  for (const route of routes) registry.registerPath(route);
  // No media type of an answer says what the data of its events is.
  const data = [JobEvent, EventGap].map((schema) => ({ type: "schema" as const, schema }));
  return new OpenApiGeneratorV31([...registry.definitions, ...data]).generateDocument({
    openapi: "3.1.0",
    info: {
      title: "Toril",
      version,
      description:
        "The HTTP gate in front of BullMQ. A 2xx answer to an enqueue means that the job is committed to the ledger; every error is problem+json (RFC 9457). " +
        `JSON in a request, or in each entry of a bulk, has at most ${jsonLimits.depth} levels, ${jsonLimits.members} members of objects ` +
        `and ${jsonLimits.values} values. Numbers are read as IEEE 754 doubles; -0 is stored as 0. Integers beyond 2^53, numbers beyond the ` +
        "range of a double (1e400) and two members of one name in an object are refused (unstorable-json).",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    tags: [
      { name: "Jobs", description: "One piece of background work each" },
      { name: "Imports", description: "Files whose rows become jobs" },
      { name: "Events", description: "What happens to jobs, as server-sent events" },
      { name: "Schedules", description: "What makes jobs again and again" },
      { name: "Keys", description: "Who may call, and what they may do" },
      { name: "Health", description: "For balancers and orchestrators" },
    ],
  });
}

/** As parsers of YAML 1.1 read it too, which take an unquoted time for a date. */
export function toYaml(document: ReturnType<typeof buildOpenApi>): string {
  return stringify(document, { aliasDuplicateObjects: false, compat: "yaml-1.1" });
}
