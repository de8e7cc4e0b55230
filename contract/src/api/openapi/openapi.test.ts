import { describe, expect, test } from "bun:test";
import { parse } from "yaml";
import { shippedApi, shippedRegistry } from "../../../test/_job-types.ts";
import { buildOpenApi, toYaml } from "./openapi.ts";

/** Any node of the document. */
// oxlint-disable-next-line no-explicit-any -- Redocly validates the document
type Node = any;

const text = toYaml(buildOpenApi(shippedApi, "test"));
const document: Node = parse(text);

/** Names inside the data of a job type are chosen by its author. */
const dataIds = new Set(shippedRegistry.types.map(({ data }) => data.meta()?.id));

/** Returns the JSON Pointers of all objects in the document that violate a rule. */
function breaches(isBreach: (node: Node, pointer: string) => boolean): string[] {
  const found: string[] = [];
  const walk = (node: Node, pointer: string) => {
    if (typeof node !== "object" || node === null) return;
    if (/\/examples?$/.test(pointer)) return;
    if (!Array.isArray(node) && isBreach(node, pointer)) found.push(pointer);
    for (const [name, child] of Object.entries(node)) walk(child, `${pointer}/${name}`);
  };
  walk(document, "");
  return found;
}

const getChoices = ({ oneOf = [], anyOf = [], allOf = [] }: Node): Node[] => [
  ...oneOf,
  ...anyOf,
  ...allOf,
];
const getValues = ({ enum: values = [], const: value }: Node): unknown[] =>
  value === undefined ? values : [...values, value];
const isObject = ({ type, properties }: Node) =>
  properties !== undefined || (Array.isArray(type) && type.includes("object"));

describe("clients can be generated from the document:", () => {
  const rules: [string, (node: Node, pointer: string) => boolean][] = [
    [
      "no enumeration has a control character, which oapi-codegen refuses",
      // oxlint-disable-next-line no-control-regex -- these are meant
      (node) => getValues(node).some((value) => /[\u0000-\u001f\u007f-\u009f]/.test(String(value))),
    ],
    [
      "no enumeration is of booleans, which openapi-generator takes for texts",
      (node) => getValues(node).some((value) => typeof value === "boolean"),
    ],
    [
      "no enumeration holds null, of which openapi-python-client makes three types",
      (node) => getValues(node).includes(null),
    ],
    [
      "no choice is of required fields alone, for which openapi-generator sends {}",
      (node) => getChoices(node).some((choice) => Object.keys(choice).join() === "required"),
    ],
    [
      "no inline object may be null, which openapi-generator refuses",
      ({ type, allOf = [] }) =>
        [type, ...allOf.map((one: Node) => one.type)].some(
          (types) => Array.isArray(types) && types.includes("object"),
        ),
    ],
    [
      "every object with fields is a component, so that all clients name it alike",
      (node, pointer) => {
        const [, component, below] = /^\/components\/schemas\/([^/]+)(\/.*)?$/.exec(pointer) ?? [];
        const isNamed = component !== undefined && below === undefined;
        return isObject(node) && !isNamed && !dataIds.has(component);
      },
    ],
  ];
  test.each(rules)("%s", (_, isBreach) => {
    expect(breaches(isBreach)).toEqual([]);
  });

  test("YAML 1.1 reads times as the texts that they are", () => {
    expect(parse(text, { version: "1.1" })).toEqual(document);
  });
});
