// What a program does with the published client; prints one JSON document of what it got.
import OpenAI, { AuthenticationError, BadRequestError, NotFoundError } from "openai";

const { BASE_URL, TOKEN } = process.env;
const client = new OpenAI({ baseURL: BASE_URL, apiKey: TOKEN, maxRetries: 0 });
const said = (text) => [{ role: "user", content: text }];
const seen = {};

const models = [];
for await (const model of client.models.list()) models.push(model.id);
seen.models = models;
seen.model = (await client.models.retrieve("openclaw/work")).id;

const whole = await client.chat.completions.create({ model: "openclaw", messages: said("one") });
seen.whole = { text: whole.choices[0].message.content, finish: whole.choices[0].finish_reason, usage: whole.usage };

const stream = await client.chat.completions.create({
  model: "openclaw/work",
  messages: [{ role: "system", content: "be brief" }, ...said("PIECES two")],
  stream: true,
  stream_options: { include_usage: true },
});
seen.stream = { pieces: [], finish: null, usage: null, roles: [] };
for await (const chunk of stream) {
  const choice = chunk.choices[0];
  if (choice?.delta.role) seen.stream.roles.push(choice.delta.role);
  if (choice?.delta.content) seen.stream.pieces.push(choice.delta.content);
  seen.stream.finish = choice?.finish_reason ?? seen.stream.finish;
  seen.stream.usage = chunk.usage ?? seen.stream.usage;
}

const first = await client.responses.create({ model: "openclaw", input: "three", instructions: "be kind" });
seen.first = { text: first.output_text, status: first.status, usage: first.usage };
const second = await client.responses.create({ model: "openclaw", input: "HISTORY", previous_response_id: first.id });
seen.second = second.output_text;

const events = [];
let deltas = "";
for await (const event of await client.responses.create({ model: "openclaw", input: "PIECES four", stream: true })) {
  if (events.at(-1) !== event.type) events.push(event.type);
  if (event.type === "response.output_text.delta") deltas += event.delta;
  if (event.type === "response.completed") seen.completed = event.response.output[0].content[0].text;
}
seen.events = events;
seen.deltas = deltas;

const refused = async (work) => {
  try {
    await work();
    return "nothing";
  } catch (error) {
    const kind = [AuthenticationError, BadRequestError, NotFoundError].find((it) => error instanceof it);
    return [kind?.name ?? String(error), error.param, error.code];
  }
};
seen.tools = await refused(() =>
  client.chat.completions.create({
    model: "openclaw",
    messages: said("x"),
    tools: [{ type: "custom", custom: { name: "f" } }],
  }));
seen.nobody = await refused(() => client.chat.completions.create({ model: "openclaw/nobody", messages: said("x") }));
seen.hot = await refused(() => client.chat.completions.create({ model: "openclaw", messages: said("x"), temperature: 9 }));
const stranger = new OpenAI({ baseURL: BASE_URL, apiKey: "wrong", maxRetries: 0 });
seen.stranger = await refused(() => stranger.models.list());
console.log(JSON.stringify(seen));
