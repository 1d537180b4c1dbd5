// Reads `zone <tab> milliseconds <tab> expression` lines; writes the next five instants of each, or
// `refused`.
import readline from "node:readline";
import { Cron } from "croner";

for await (const line of readline.createInterface({ input: process.stdin })) {
  const [timezone, from, expression] = line.split("\t");
  let answer;
  try {
    const cron = new Cron(expression, { timezone, paused: true });
    const instants = [];
    for (let at = new Date(Number(from)); instants.length < 5; ) {
      at = cron.nextRun(at);
      if (!at) break;
      instants.push(at.getTime());
    }
    answer = instants.join(",");
  } catch {
    answer = "refused";
  }
  console.log(answer);
}
