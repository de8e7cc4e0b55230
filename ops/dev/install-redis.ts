import { spawnSync } from "node:child_process";

import { ask } from "./process-table.ts";

// Debian starts a service as soon as its package is there, and at every boot, unless told not to.
const apt = `
set -e
export DEBIAN_FRONTEND=noninteractive
if [ ! -e /usr/sbin/policy-rc.d ]; then
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
  chmod 755 /usr/sbin/policy-rc.d
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends redis-server
if [ -d /run/systemd/system ]; then systemctl disable -q redis-server; fi
`;

const managers: readonly { name: string; script: string; asRoot: boolean }[] = [
  { name: "apt-get", script: apt, asRoot: true },
  { name: "dnf", script: "dnf install -y -q redis || dnf install -y -q valkey", asRoot: true },
  { name: "apk", script: "apk add --quiet redis || apk add --quiet valkey", asRoot: true },
  {
    name: "pacman",
    script: "pacman -Sy --noconfirm --needed valkey || pacman -S --noconfirm --needed redis",
    asRoot: true,
  },
  { name: "brew", script: "brew install --quiet redis", asRoot: false },
];

/** Asks the system's package manager, where this user may do so without a password. */
export function installRedis(): boolean {
  const manager = managers.find(({ name }) => ask("sh", ["-c", `command -v ${name}`]) !== "");
  const shell = manager && shellFor(manager.asRoot);
  if (!manager || !shell) return false;
  console.log(`  redis       not on the PATH: installing it with ${manager.name} ...`);
  const [command, ...args] = [...shell, manager.script];
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) console.error(`${stdout}${stderr}`.trim());
  return status === 0;
}

function shellFor(asRoot: boolean): string[] | undefined {
  const isRoot = process.getuid?.() === 0;
  if (isRoot === asRoot) return ["sh", "-c"];
  if (!asRoot) return undefined;
  return ask("sudo", ["-n", "id", "-u"]) === "0" ? ["sudo", "-n", "sh", "-c"] : undefined;
}
