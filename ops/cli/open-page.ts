import { spawn } from "node:child_process";
import { type Command, UsageError } from "./command.ts";
import { connectionOptions, findConnection } from "./connection/connect.ts";
import { printResult } from "./output/print-result.ts";

const pages: Readonly<Record<string, string>> = {
  console: "/console",
  docs: "/docs",
  queues: "/admin/queues",
};

export const openPage: Command = {
  summary:
    "print the address of a page (console, docs, queues), and open it in a browser on a desktop",
  operands: ["page?"],
  options: connectionOptions,
  async run(parsed, context) {
    const [page = "console"] = parsed.operands;
    if (!Object.hasOwn(pages, page)) {
      throw new UsageError(`open takes one of ${Object.keys(pages).join(", ")}, not "${page}"`);
    }
    const { url } = findConnection(parsed, context);
    const address = url.replace(/\/+$/, "") + pages[page];
    printResult(parsed, context, { url: address }, () => address);
    const { env, stdout } = context;
    const isDesktop = process.platform === "darwin" || env["DISPLAY"] || env["WAYLAND_DISPLAY"];
    if (isDesktop && stdout.isTTY) openInBrowser(address);
  },
};

function openInBrowser(address: string): void {
  const program = process.platform === "darwin" ? "open" : "xdg-open";
  const child = spawn(program, [address], { stdio: "ignore", detached: true });
  // The address is printed: without the program, the user opens it.
  child.on("error", () => {});
  child.unref();
}
