import { Enums, Models, Serialize, Spec } from "@cyclonedx/cyclonedx-library";
import { PackageURL } from "packageurl-js";

import lockFile from "../../../bun.lock" with { type: "jsonc" };
import project from "../../../package.json" with { type: "json" };
import { readLock, type LockedPackage } from "./bun-lock.ts";

/** `bun run sbom`: prints a CycloneDX SBOM as JSON. */
function toBom(packages: ReadonlyMap<string, LockedPackage>): Models.Bom {
  const bom = new Models.Bom();
  const root = new Models.Component(Enums.ComponentType.Application, project.name, {
    version: project.version,
    bomRef: project.name,
  });
  bom.metadata.component = root;
  const components = new Map<string, Models.Component>();
  for (const [path, one] of packages) {
    const component = new Models.Component(Enums.ComponentType.Library, one.name, {
      version: one.version,
      bomRef: path,
      purl: toPurl(one),
      scope: one.isShipped ? Enums.ComponentScope.Required : Enums.ComponentScope.Excluded,
    });
    if (one.sha512 !== undefined) component.hashes.set(Enums.HashAlgorithm["SHA-512"], one.sha512);
    components.set(path, component);
    bom.components.add(component);
  }
  for (const [path, { dependencies, isDirect }] of packages) {
    const component = components.get(path);
    if (component === undefined) continue;
    if (isDirect) root.dependencies.add(component.bomRef);
    for (const other of dependencies) {
      const found = components.get(other);
      if (found !== undefined) component.dependencies.add(found.bomRef);
    }
  }
  return bom;
}

function toPurl({ name, version }: LockedPackage): string {
  const [scope, rest] = name.startsWith("@") ? name.split("/") : [undefined, name];
  return new PackageURL("npm", scope, rest ?? name, version).toString();
}

const bom = toBom(readLock(lockFile));
const normalizer = new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6);
const serializer = new Serialize.JsonSerializer(normalizer);
console.log(serializer.serialize(bom, { sortLists: true, space: 2 }));
