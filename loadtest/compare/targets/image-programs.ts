import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

import type { Program } from "../../../ops/dev/processes/start-app.ts";

/** A program of an image, with the environment variables of the image. */
export interface ImageProgram extends Program {
  env: Readonly<Record<string, string>>;
}

export interface ImagePrograms {
  producer: ImageProgram;
  consumer: ImageProgram;
}

/** Bundles the programs of the images into `dir`, with the commands and variables of the Dockerfile. */
export async function buildImagePrograms(root: string, dir: string): Promise<ImagePrograms> {
  const bin = join(root, "node_modules/.bin");
  await promisify(execFile)(join(bin, "bun"), ["ops/docker/bundle.ts", dir], { cwd: root });
  const dockerfile = readFileSync(join(root, "ops/docker/Dockerfile"), "utf8");
  const read = (name: string): ImageProgram => {
    const stage = dockerfile.split(/^FROM /m).find((text) => text.includes(` AS ${name}\n`));
    const command = /^CMD (\[.*\])$/m.exec(stage ?? "")?.[1];
    if (stage === undefined || command === undefined) throw new Error(`no image ${name}`);
    const [runtime = "", ...args] = JSON.parse(command) as string[];
    const variables = [...stage.matchAll(/^ENV (.*)$/gm)].flatMap(([, line = ""]) =>
      line.split(" "),
    );
    return {
      command: join(bin, runtime),
      args: args.map((arg) => (arg === "main.js" ? join(dir, name, arg) : arg)),
      env: Object.fromEntries(variables.map((text) => text.split("=", 2))),
    };
  };
  return { producer: read("producer"), consumer: read("consumer") };
}
