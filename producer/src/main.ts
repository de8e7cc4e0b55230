import { shippedJobTypes } from "@toril/contract/api/job-types/index";
import { createRegistry } from "@toril/contract/api/registry";
import { runProducer } from "./run-producer.ts";

await runProducer(createRegistry(shippedJobTypes), process.env);
