import {
  type Command,
  type CommandContext,
  getOperand,
  type ParsedArguments,
  UsageError,
} from "../command.ts";
import { readAll } from "../output/read-input.ts";
import { jsonOption, printResult } from "../output/print-result.ts";
import { renderTable } from "../output/render-table.ts";
import { toUrl } from "./connect.ts";
import { getProfilesPath, type Profiles, readProfiles, writeProfiles } from "./profiles.ts";

const head = ["", "name", "url", "key"];

export const listProfiles: Command = {
  summary: "list the profiles; * marks the current one",
  operands: [],
  options: jsonOption,
  async run(parsed, context) {
    const { current, profiles } = readProfiles(context.env);
    const items = Object.entries(profiles).map(([name, { url, key }]) => ({
      name,
      url,
      // Its public part: `toril_<id>_<secret>`.
      keyId: key?.split("_")[1] ?? null,
      current: name === current,
    }));
    if (items.length === 0)
      context.inform(`There are no profiles in ${getProfilesPath(context.env)}.`);
    printResult(parsed, context, { items }, () =>
      items.length === 0
        ? ""
        : renderTable(
            head,
            items.map((item) => [item.current ? "*" : "", item.name, item.url, item.keyId ?? "-"]),
          ),
    );
  },
};

export const setProfile: Command = {
  summary: "create or change a profile; the first one becomes the current one",
  operands: ["name"],
  options: {
    url: { value: "URL", help: "address of the service" },
    key: { value: "KEY", help: "API key; - reads it from standard input" },
  },
  async run(parsed, context) {
    const name = getOperand(parsed);
    if (!/^[\w.-]{1,64}$/.test(name)) {
      throw new UsageError("the name of a profile has up to 64 letters, digits, and . _ -");
    }
    const { url, key } = parsed.options;
    const profiles = readProfiles(context.env);
    const existing = Object.hasOwn(profiles.profiles, name) ? profiles.profiles[name] : undefined;
    const chosenUrl = url ?? existing?.url;
    if (chosenUrl === undefined) throw new UsageError("--url is missing");
    // A key belongs to the service it was created for.
    const keptKey = url === undefined || url === existing?.url ? existing?.key : undefined;
    const chosenKey = key === "-" ? (await readAll(context)).trim() : (key ?? keptKey);
    writeProfiles(context.env, {
      current: profiles.current ?? name,
      profiles: {
        ...profiles.profiles,
        [name]: { url: toUrl(chosenUrl), ...(chosenKey === undefined ? {} : { key: chosenKey }) },
      },
    });
    context.inform(`wrote ${getProfilesPath(context.env)}`);
  },
};

export const useProfile: Command = {
  summary: "make a profile the current one",
  operands: ["name"],
  options: {},
  async run(parsed, context) {
    const { name, profiles } = findProfile(parsed, context);
    writeProfiles(context.env, { ...profiles, current: name });
  },
};

export const removeProfile: Command = {
  summary: "remove a profile",
  operands: ["name"],
  options: {},
  async run(parsed, context) {
    const { name, profiles } = findProfile(parsed, context);
    const { [name]: _removed, ...others } = profiles.profiles;
    const { current } = profiles;
    writeProfiles(context.env, {
      ...(current === undefined || current === name ? {} : { current }),
      profiles: others,
    });
  },
};

function findProfile(
  parsed: ParsedArguments,
  { env }: CommandContext,
): { name: string; profiles: Profiles } {
  const name = getOperand(parsed);
  const profiles = readProfiles(env);
  if (!Object.hasOwn(profiles.profiles, name))
    throw new UsageError(`there is no profile "${name}"`);
  return { name, profiles };
}
