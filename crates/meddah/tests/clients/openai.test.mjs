// The official OpenAI library for JavaScript against the OpenAI face. The address comes in OPENAI_BASE_URL.

import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";

const client = new OpenAI({ apiKey: "any", maxRetries: 0 });
const said = (content) => [{ role: "user", content }];
const tools = [
  {
    type: "function",
    function: { name: "get_weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
  },
];

test("a reply comes whole and in chunks, with its usage", async () => {
  const reply = await client.chat.completions.create({ model: "x", messages: said("Hello!") });
  assert.equal(reply.choices[0].message.content, "Welcome to the Lantern.");
  assert.ok(reply.usage.completion_tokens > 0);
  const options = { stream: true, stream_options: { include_usage: true } };
  const stream = await client.chat.completions.create({ model: "x", messages: said("Hello!"), ...options });
  let text = "";
  let usage;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, "Welcome to the Lantern.");
  assert.ok(usage.prompt_tokens > 0);
});

test("a tool is called, streamed", async () => {
  const runner = client.chat.completions.stream({ model: "x", messages: said("How is the weather?"), tools });
  const [call] = (await runner.finalMessage()).tool_calls;
  assert.equal(call.function.name, "get_weather");
  assert.deepEqual(JSON.parse(call.function.arguments), { city: "Ankara" });
});

test("errors have the classes that mods catch", async () => {
  const broken = await client.chat.completions.create({ model: "x", messages: said("break off"), stream: true });
  await assert.rejects(async () => {
    for await (const chunk of broken) void chunk;
  }, OpenAI.APIError);
  const unknown = client.chat.completions.create({ model: "character:nobody", messages: said("Hello!") });
  await assert.rejects(unknown, OpenAI.NotFoundError);
  await assert.rejects(client.chat.completions.create({ model: "x", messages: [] }), OpenAI.BadRequestError);
});

test("a stream can be left", async () => {
  const story = { model: "x", messages: said("Tell a long story"), stream: true };
  const stream = await client.chat.completions.create(story);
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta.content) break;
  }
  assert.ok(stream.controller.signal.aborted);
  const names = (await client.models.list()).data.map((model) => model.id);
  assert.ok(names.some((name) => name.startsWith("character:")));
});
