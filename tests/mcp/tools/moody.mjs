// A server with moods, on the protocol's own SDK. Every call is written to the ledger named by
// LEDGER before anything else happens, as `<tool>\n`.
import { appendFileSync, existsSync, readFileSync, rmSync } from "node:fs";
import { spawn } from "node:child_process";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { z } from "zod";

const ledger = process.env.LEDGER;
appendFileSync(`${ledger}.pids`, `${process.pid}\n`);
const server = new McpServer({ name: "moody", version: "1.0.0" });
const say = (text) => ({ content: [{ type: "text", text }] });
const tool = (name, annotations, inputSchema, run) =>
  server.registerTool(name, { description: name, annotations, inputSchema }, async (given) => {
    appendFileSync(ledger, `${name}\n`);
    return run(given);
  });

const never = () => new Promise(() => {});
const calls = () => readFileSync(ledger, "utf8").trim().split("\n").length;

tool("count", {}, { by: z.number().int() }, ({ by }) => say(`call ${calls()} by ${by}`));
tool("die", {}, {}, () => {
  console.error("I can't go on");
  process.exit(3);
});
tool("hang", {}, {}, () => {
  for (;;);
});
tool("wait", {}, {}, never);
// Harmless to repeat: each dies or waits only while the file LEDGER.mood is there.
tool("look", { readOnlyHint: true }, {}, () => {
  if (existsSync(`${ledger}.mood`)) {
    rmSync(`${ledger}.mood`);
    process.exit(4);
  }
  return say("seen");
});
tool("gaze", { idempotentHint: true }, {}, () =>
  existsSync(`${ledger}.mood`) ? never() : say("gazed"),
);
tool("breed", {}, {}, () => {
  const child = spawn("sleep", ["1000"], { stdio: "ignore" });
  return say(`${process.pid} ${child.pid}`);
});
tool("learn", {}, {}, () => {
  tool("trick", {}, {}, () => say("a trick"));
  return say("learned");
});
await server.connect(new StdioServerTransport());
