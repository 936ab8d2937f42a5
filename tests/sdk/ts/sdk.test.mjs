// What a user of the TypeScript SDK does, against the built server on both databases.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { beforeEach, test } from 'node:test';

import Letta from '@letta-ai/letta-client';

import { EMBEDDING, UNKNOWN, collect, createAgent, kinds, memoryInsert, onEachDatabase, user, withoutPings } from './harness.mjs';

const KEEPALIVE_SECONDS = 0.5;

const remember = (text) => ({ tool_calls: [memoryInsert(text)] });

await onEachDatabase(({ client, model, server }) => {
  let agent;

  beforeEach(async () => {
    agent = await createAgent(client, {
      embedding: EMBEDDING,
      memory_blocks: [
        { label: 'human', value: 'Nothing known yet.' },
        { label: 'persona', value: 'Helpful.' },
      ],
      tags: ['demo'],
    });
  });

  test('an agent remembers, streams, and survives a power cut', async () => {
    await model.say(remember('Favourite colour: green.'), { text: 'I will remember green.' });
    const response = await client.agents.messages.create(agent.id, {
      messages: user('My favourite colour is green. Remember it.'),
    });
    assert.deepEqual(kinds(response.messages), ['tool_call_message', 'tool_return_message', 'assistant_message']);
    assert.equal(response.messages[0].tool_call.name, 'memory_insert');
    assert.ok(Array.isArray(response.messages[0].tool_calls));
    assert.equal(response.messages[1].status, 'success');
    assert.equal(response.messages[2].content, 'I will remember green.');
    assert.equal(response.stop_reason.stop_reason, 'end_turn');
    assert.equal(response.usage.step_count, 2);
    const block = await client.agents.blocks.retrieve('human', { agent_id: agent.id });
    assert.match(block.value, /Favourite colour: green\./);

    await model.say({ text: 'You like green very much.' });
    const events = await collect(
      client.agents.messages.create(agent.id, {
        messages: user('What do you know about me?'),
        streaming: true,
        stream_tokens: true,
      }),
    );
    const deltas = events.filter((event) => event.message_type === 'assistant_message');
    assert.ok(deltas.length > 1, 'tokens come one by one');
    assert.equal(deltas.map((event) => event.content).join(''), 'You like green very much.');
    assert.deepEqual(kinds(events).slice(-2), ['stop_reason', 'usage_statistics']);

    const before = await collect(client.agents.messages.list(agent.id, { order: 'asc' }));
    await server.restart();
    const again = await collect(client.agents.messages.list(agent.id, { order: 'asc' }));
    assert.deepEqual(again, before);
    assert.deepEqual((await client.agents.retrieve(agent.id, { include: ['agent.tags'] })).tags, ['demo']);
    await model.say({ text: 'Green.' });
    const last = await client.agents.messages.create(agent.id, { messages: user('Which colour?') });
    assert.equal(last.messages.at(-1).content, 'Green.');
  });

  test('step mode sends whole messages, with a ping first', async () => {
    await model.say({ reasoning: 'A new fact.', ...remember('Sings.') }, { text: 'You sing.' });
    const events = await collect(client.agents.messages.create(agent.id, { messages: user('I sing.'), streaming: true }));
    assert.equal(events[0].message_type, 'ping');
    assert.deepEqual(
      kinds(withoutPings(events)),
      ['reasoning_message', 'tool_call_message', 'tool_return_message', 'assistant_message', 'stop_reason', 'usage_statistics'],
    );
  });

  test('pings keep a slow model alive', async () => {
    await model.say({ text: 'At last.', delay_ms: KEEPALIVE_SECONDS * 3500 });
    const events = await collect(client.agents.messages.create(agent.id, { messages: user('Think.'), streaming: true }));
    assert.ok(kinds(events).filter((kind) => kind === 'ping').length >= 3);
  });

  test('an error frame is an exception, and the conversation goes on', async () => {
    await model.script({ answers: [], fallback: { status: 401, body: { error: { message: 'Incorrect API key provided.' } } } });
    await assert.rejects(
      collect(client.agents.messages.create(agent.id, { messages: user('Hello?'), streaming: true })),
      (error) => {
        assert.ok(error instanceof Letta.APIError);
        assert.equal(error.error.error_type, 'llm_authentication');
        return true;
      },
    );
    await model.reset();
    const response = await client.agents.messages.create(agent.id, { messages: user('And now?') });
    assert.equal(response.messages.at(-1).content, 'Understood.');
  });

  test('lists page by themselves to the end', async () => {
    const tag = `crowd-${randomUUID().slice(0, 8)}`;
    const ids = [];
    for (let index = 0; index < 5; index += 1) {
      ids.push((await createAgent(client, { tags: [tag] })).id);
    }
    for (const limit of [1, 2, 5, 50]) {
      const agents = await collect(client.agents.list({ tags: [tag], order: 'asc', limit }));
      assert.deepEqual(agents.map((one) => one.id), ids, `limit ${limit}`);
    }
    const backwards = await client.agents.list({ tags: [tag], order: 'asc', before: ids[4], limit: 2 });
    assert.deepEqual(backwards.items.map((one) => one.id), ids.slice(2, 4));
    assert.deepEqual(await client.tags.list({ query_text: tag }), [tag]);
    const tools = await collect(client.tools.list({ limit: 3 }));
    assert.equal(new Set(tools.map((tool) => tool.id)).size, tools.length);
    assert.ok(tools.some((tool) => tool.name === 'memory_insert'));
    assert.ok((await client.models.list()).some((one) => one.handle === 'openai-proxy/gpt-4o-mini'));
  });

  test('blocks are created, shared, updated by label, detached and deleted', async () => {
    const block = await client.blocks.create({ label: 'project', value: 'Muisti.' });
    await client.agents.blocks.attach(block.id, { agent_id: agent.id });
    const labels = (await collect(client.agents.blocks.list(agent.id))).map((one) => one.label);
    assert.deepEqual(labels.sort(), ['human', 'persona', 'project']);
    await client.agents.blocks.update('project', { agent_id: agent.id, value: 'A server.' });
    assert.equal((await client.blocks.retrieve(block.id)).value, 'A server.');
    assert.deepEqual((await collect(client.blocks.agents.list(block.id))).map((one) => one.id), [agent.id]);
    await client.agents.blocks.detach(block.id, { agent_id: agent.id });
    await client.blocks.delete(block.id);
    await assert.rejects(client.blocks.retrieve(block.id), Letta.NotFoundError);
  });

  test('a turn leaves a run, its steps and its messages', async () => {
    await model.say(remember('Has a cat.'), { text: 'Noted.' });
    const response = await client.agents.messages.create(agent.id, { messages: user('I have a cat.') });
    const runs = await collect(client.runs.list({ agent_id: agent.id }));
    assert.equal(runs.length, 1);
    assert.equal((await client.runs.retrieve(runs[0].id)).status, 'completed');
    assert.equal((await collect(client.runs.steps.list(runs[0].id))).length, 2);
    assert.deepEqual(kinds(await collect(client.runs.messages.list(runs[0].id))), ['user_message', ...kinds(response.messages)]);
    assert.equal((await collect(client.steps.list({ agent_id: agent.id }))).length, 2);
    const pages = await collect(client.agents.messages.list(agent.id, { order: 'asc', limit: 1 }));
    assert.deepEqual(kinds(pages), ['system_message', 'user_message', ...kinds(response.messages)]);
  });

  test('two sends at once are both answered', async () => {
    await model.script({ answers: [], fallback: { text: 'Answer {{n}}.', delay_ms: 150 } });
    const send = (text) => client.agents.messages.create(agent.id, { messages: user(text) });
    await Promise.all([send('One?'), send('Two?')]);
    const listed = kinds(await collect(client.agents.messages.list(agent.id, { order: 'asc' })));
    const turn = ['user_message', 'assistant_message'];
    assert.deepEqual(listed, ['system_message', ...turn, ...turn]);
  });

  test('faults are the exceptions the SDK has for them', async () => {
    await assert.rejects(client.agents.retrieve(`agent-${UNKNOWN}`), Letta.NotFoundError);
    await assert.rejects(client.agents.retrieve('nonsense'), Letta.UnprocessableEntityError);
    await assert.rejects(client.agents.messages.create(agent.id, { messages: [] }), Letta.UnprocessableEntityError);
    await assert.rejects(client.agents.create({ model: 'openai/no-such-model' }), Letta.NotFoundError);
    await assert.rejects(collect(client.agents.list({ after: `agent-${UNKNOWN}` })), Letta.NotFoundError);
    const block = await client.blocks.create({ label: 'human', value: 'Another one.' });
    await assert.rejects(
      client.agents.blocks.attach(block.id, { agent_id: agent.id }, { maxRetries: 0 }),
      Letta.ConflictError,
    );
    await model.script({ answers: [], fallback: { status: 429, body: { error: { message: 'Slow down.' } } } });
    await assert.rejects(
      client.agents.messages.create(agent.id, { messages: user('Hello?') }, { maxRetries: 0 }),
      Letta.RateLimitError,
    );
  });
}, { MUISTI_KEEPALIVE_INTERVAL: String(KEEPALIVE_SECONDS) });
