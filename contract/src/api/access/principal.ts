import { z } from "zod";
import { Quotas } from "./quota.ts";
import { Scope } from "./scope.ts";

/** The authenticated caller, as the service sees it. */
export const Principal = z
  .strictObject({
    kind: z.enum(["open", "key", "token"]).meta({
      description:
        "open: the service runs without authentication. key: an API key. token: an access token of the OpenID Connect issuer",
    }),
    id: z.string().meta({ description: "ID of the key, or subject of the token" }),
    name: z.string(),
    tenant: z.string(),
    scopes: z.array(Scope),
    queues: z.array(z.string()).nullable().meta({
      description: "Queues that the caller may access; null: all",
    }),
    types: z.array(z.string()).nullable().meta({
      description: "Job types that the caller may access; null: all",
    }),
    quotas: z.union([Quotas, z.null()]),
  })
  .meta({
    id: "Principal",
    example: {
      kind: "key",
      id: "0mibwkq0705f60718",
      name: "shop",
      tenant: "default",
      scopes: ["jobs:write", "jobs:read"],
      queues: null,
      types: null,
      quotas: null,
    },
  });
