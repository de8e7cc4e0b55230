import { runConsumer } from "./run-consumer.ts";
import { shippedPlugin } from "./shipped-plugin.ts";

await runConsumer(shippedPlugin, process.env);
