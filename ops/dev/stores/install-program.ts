import { spawnSync } from "node:child_process";

import { commandOutput } from "../processes/process-table.ts";

export type Program = "redis" | "caddy" | "prometheus" | "strace" | "chromium";

// Debian starts a service when its package is installed, and at every boot, unless policy-rc.d forbids it. The lock
// serializes installations by parallel tests.
const apt = (packages: string, services = packages) => `
set -e
export DEBIAN_FRONTEND=noninteractive
exec 9> /tmp/toril-install.lock
flock 9
if [ ! -e /usr/sbin/policy-rc.d ]; then
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
  chmod 755 /usr/sbin/policy-rc.d
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends ${packages}
if [ -n "${services}" ] && [ -d /run/systemd/system ]; then systemctl disable -q ${services}; fi
`;

interface Manager {
  name: string;
  asRoot: boolean;
  scripts: Readonly<Partial<Record<Program, string>>>;
}

const managers: readonly Manager[] = [
  {
    name: "apt-get",
    asRoot: true,
    scripts: {
      redis: apt("redis-server"),
      caddy: apt("caddy"),
      strace: apt("strace"),
      chromium: apt("chromium", ""),
      prometheus: apt("prometheus prometheus-alertmanager"),
    },
  },
  {
    name: "dnf",
    asRoot: true,
    scripts: {
      redis: "dnf install -y -q redis || dnf install -y -q valkey",
      caddy: "dnf install -y -q caddy",
      strace: "dnf install -y -q strace",
      chromium: "dnf install -y -q chromium",
      prometheus:
        "dnf install -y -q golang-github-prometheus golang-github-prometheus-alertmanager",
    },
  },
  {
    name: "apk",
    asRoot: true,
    scripts: {
      redis: "apk add --quiet redis || apk add --quiet valkey",
      caddy: "apk add --quiet caddy",
      strace: "apk add --quiet strace",
      chromium: "apk add --quiet chromium",
      prometheus: "apk add --quiet prometheus alertmanager",
    },
  },
  {
    name: "pacman",
    asRoot: true,
    scripts: {
      redis: "pacman -Sy --noconfirm --needed valkey || pacman -S --noconfirm --needed redis",
      caddy: "pacman -Sy --noconfirm --needed caddy",
      strace: "pacman -Sy --noconfirm --needed strace",
      chromium: "pacman -Sy --noconfirm --needed chromium",
      prometheus: "pacman -Sy --noconfirm --needed prometheus alertmanager",
    },
  },
  {
    name: "brew",
    asRoot: false,
    scripts: {
      redis: "brew install --quiet redis",
      caddy: "brew install --quiet caddy",
      prometheus: "brew install --quiet prometheus alertmanager",
    },
  },
];

/** Installs a program with the system's package manager, if that needs no password. */
export function installProgram(program: Program): boolean {
  const manager = managers.find(
    ({ name }) => commandOutput("sh", ["-c", `command -v ${name}`]) !== "",
  );
  const script = manager?.scripts[program];
  const shell = manager && shellFor(manager.asRoot);
  if (!manager || !script || !shell) return false;
  console.log(`  ${program.padEnd(11)} not on the PATH: installing it with ${manager.name} ...`);
  const [command, ...args] = [...shell, script];
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) console.error(`${stdout}${stderr}`.trim());
  return status === 0;
}

function shellFor(asRoot: boolean): string[] | undefined {
  const isRoot = process.getuid?.() === 0;
  if (isRoot === asRoot) return ["sh", "-c"];
  if (!asRoot) return undefined;
  return commandOutput("sudo", ["-n", "id", "-u"]) === "0" ? ["sudo", "-n", "sh", "-c"] : undefined;
}
