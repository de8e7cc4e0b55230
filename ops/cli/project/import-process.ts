import type * as Consumer from "@toril/consumer";
import type * as Producer from "@toril/producer";
import { UserError } from "../../dev/user-error.ts";

/** Names in variables, so that the build of the command line as one binary does not contain the processes. */
const producerPackage = "@toril/producer";
const consumerPackage = "@toril/consumer";

export async function importProducer(): Promise<typeof Producer> {
  return (await load(producerPackage)) as typeof Producer;
}

export async function importConsumer(): Promise<typeof Consumer> {
  return (await load(consumerPackage)) as typeof Consumer;
}

async function load(name: string): Promise<unknown> {
  try {
    return await import(name);
  } catch (error) {
    const isMissing = error instanceof Error && error.message.includes(`'${name}'`);
    if (!isMissing) throw error;
    const message = `this program does not contain ${name}: run "npx toril" in the project`;
    throw new UserError(message, { cause: error });
  }
}
