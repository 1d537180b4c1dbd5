// A program with tools of its own, written with the published client; prints what it got.
import OpenAI, { BadRequestError } from "openai";

const { BASE_URL, TOKEN } = process.env;
const client = new OpenAI({ baseURL: BASE_URL, apiKey: TOKEN, maxRetries: 0 });
const parameters = { type: "object", properties: { for: { type: "string" } } };
const nested = (name) => ({ type: "function", function: { name, description: `does ${name}`, parameters } });
const flat = (name) => ({ type: "function", name, description: `does ${name}`, parameters, strict: false });
const model = "openclaw";
const seen = {};

// Whole: the answer, the calls, and the answer to what they have come to.
const messages = [{ role: "user", content: "CALL weather time" }];
const tools = [nested("weather"), nested("time")];
const asked = await client.chat.completions.create({ model, messages, tools });
seen.asked = asked.choices[0];
messages.push(asked.choices[0].message);
for (const call of asked.choices[0].message.tool_calls) {
  messages.push({ role: "tool", tool_call_id: call.id, content: `${call.function.name} is fine` });
}
const done = await client.chat.completions.create({ model, messages, tools });
seen.done = done.choices[0];

// In pieces, through the client's own gathering of them.
const runner = client.chat.completions.stream({ model, messages: [{ role: "user", content: "CALL weather" }], tools });
const deltas = [];
for await (const chunk of runner) deltas.push(...(chunk.choices[0]?.delta.tool_calls ?? []));
const streamed = (await runner.finalChatCompletion()).choices[0];
seen.streamed = { deltas: deltas.length, finish: streamed.finish_reason, content: streamed.message.content, calls: streamed.message.tool_calls };

// The client's own loop: it runs the functions and asks again by itself.
const ran = [];
const loop = client.chat.completions.runTools({
  model,
  messages: [{ role: "user", content: "CALL weather" }],
  tools: [{ type: "function", function: { name: "weather", parameters, parse: JSON.parse, function: (of) => { ran.push(of); return "warm"; } } }],
});
seen.loop = { text: await loop.finalContent(), ran };

// Responses: in the session of the one before.
const first = await client.responses.create({ model, input: "MUTE CALL weather", tools: [flat("weather")] });
const call = first.output.find((item) => item.type === "function_call");
seen.first = { types: first.output.map((item) => item.type), call, echoed: first.tools.length, text: first.output_text };
const second = await client.responses.create({
  model,
  previous_response_id: first.id,
  input: [{ type: "function_call_output", call_id: call.call_id, output: "cold" }],
  tools: [flat("weather")],
});
seen.second = { text: second.output_text, types: second.output.map((item) => item.type) };

const events = [];
let completed;
for await (const event of await client.responses.create({ model, input: "CALL time", tools: [flat("time")], stream: true })) {
  if (events.at(-1) !== event.type) events.push(event.type);
  if (event.type === "response.function_call_arguments.done") seen.arguments = event.arguments;
  if (event.type === "response.completed") completed = event.response;
}
seen.events = events;
seen.completed = completed.output.map((item) => [item.type, item.status]);

// What is refused, and what forces a call.
const refused = async (more) => {
  try {
    await client.chat.completions.create({ model, messages: [{ role: "user", content: "REFUSED" }], ...more });
    return "nothing";
  } catch (error) {
    return [error instanceof BadRequestError, error.param, error.code];
  }
};
seen.twice = await refused({ tools: [nested("a"), nested("a")] });
seen.clash = await refused({ tools: [nested("read")] });
seen.nameless = await refused({ tools: [nested("no spaces")] });
seen.unknown = await refused({ tools: [nested("a")], tool_choice: { type: "function", function: { name: "b" } } });
await client.chat.completions.create({ model, messages: [{ role: "user", content: "FORCED CALL a" }], tools: [nested("a"), nested("b")], tool_choice: { type: "function", function: { name: "a" } } });
await client.chat.completions.create({ model, messages: [{ role: "user", content: "OFF CALL a" }], tools: [nested("a")], tool_choice: "none" });
console.log(JSON.stringify(seen));
