// Messages sent to conversations, streams that are read again, and runs that are cancelled, on both databases.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import Letta from '@letta-ai/letta-client';

import { UNKNOWN, collect, createAgent, kinds, memoryInsert, onEachDatabase, runWhen, textOf, user } from './harness.mjs';

await onEachDatabase(({ client, model }) => {
  let agent;
  let conversation;

  beforeEach(async () => {
    agent = await createAgent(client);
    conversation = await client.conversations.create({ agent_id: agent.id });
  });

  const say = (text, more = {}) =>
    collect(client.conversations.messages.create(conversation.id, { messages: user(text), ...more }));

  test('a conversation is talked to and listed', async () => {
    await model.say({ tool_calls: [memoryInsert('Sings.')] }, { text: 'You sing well.' });
    const events = await say('I sing.', { stream_tokens: true });
    assert.equal(textOf(events), 'You sing well.');
    assert.deepEqual(kinds(events).slice(-2), ['stop_reason', 'usage_statistics']);
    const run = await client.runs.retrieve(events[0].run_id);
    assert.deepEqual([run.status, run.conversation_id], ['completed', conversation.id]);
    const listed = await collect(client.conversations.messages.list(conversation.id, { order: 'asc' }));
    const turn = ['user_message', 'tool_call_message', 'tool_return_message', 'assistant_message'];
    assert.deepEqual(kinds(listed), ['system_message', ...turn]);
    assert.deepEqual(kinds(await collect(client.runs.messages.list(run.id))), turn);
    assert.deepEqual((await client.agents.retrieve(agent.id)).message_ids, agent.message_ids);
    assert.ok((await client.conversations.retrieve(conversation.id)).last_message_at);
    const gone = client.conversations.messages.create(`conv-${UNKNOWN}`, { messages: user('Hello?') });
    await assert.rejects(gone, Letta.NotFoundError);
  });

  test('of two sends to one conversation one is refused, unless its client asks again', async () => {
    await model.script({ answers: [], fallback: { text: 'Here.', delay_ms: 400 } });
    const atOnce = client.withOptions({ maxRetries: 0 });
    const send = (client) => client.conversations.messages.create(conversation.id, { messages: user('Well?') }).then(collect);
    const [one, other] = await Promise.allSettled([send(atOnce), send(atOnce)]);
    const refused = [one, other].find((outcome) => outcome.status === 'rejected').reason;
    assert.equal([one, other].filter((outcome) => outcome.status === 'fulfilled').length, 1);
    assert.ok(refused instanceof Letta.ConflictError);
    assert.match(refused.message, /is currently being processed/);
    assert.match(refused.error.run_id, /^run-/);
    const answers = await Promise.all([send(client), send(client)]);
    assert.deepEqual(answers.map(textOf), ['Here.', 'Here.']);
  });

  test('a background stream is read again from anywhere', async () => {
    await model.say({ text: 'one two three four five six', chunk_delay_ms: 40 });
    const options = { messages: user('Count.'), stream_tokens: true, background: true };
    const stream = await client.conversations.messages.create(conversation.id, options);
    const seen = [];
    for await (const event of stream) {
      seen.push(event);
      if (event.message_type === 'assistant_message') break;
    }
    const starting_after = seen.at(-1).seq_id;
    const rest = await collect(client.conversations.messages.stream(conversation.id, { starting_after }));
    assert.equal(textOf([...seen, ...rest]), 'one two three four five six');
    const whole = await collect(client.runs.messages.stream(seen[0].run_id, { starting_after: 0 }));
    assert.equal(textOf(whole), 'one two three four five six');
    await assert.rejects(client.conversations.messages.stream(conversation.id, {}), Letta.BadRequestError);
  });

  test('runs are cancelled at once, of a conversation and of an agent', async () => {
    await model.say({ hang: true });
    const stream = await client.conversations.messages.create(conversation.id, { messages: user('Think for ever.') });
    const events = stream[Symbol.asyncIterator]();
    const run = (await events.next()).value.run_id;
    assert.deepEqual(await client.conversations.cancel(conversation.id), { [run]: 'cancelled' });
    let event = (await events.next()).value;
    while (event.message_type === 'ping') event = (await events.next()).value;
    assert.equal(event.stop_reason, 'cancelled');
    await assert.rejects(client.conversations.cancel(conversation.id), Letta.ConflictError);

    const { length: before } = await model.requests();
    await model.say({ hang: true });
    const going = await client.agents.messages.createAsync(agent.id, { messages: user('Think for ever.') });
    // Once the model is asked: what it has to say would else be left for the next who asks.
    await runWhen(client, going.id, async ({ status }) => status === 'running' && (await model.requests()).length > before);
    assert.deepEqual(await client.agents.messages.cancel(agent.id, { run_ids: [going.id] }), { [going.id]: 'cancelled' });
    const ended = await runWhen(client, going.id, ({ completed_at: at }) => at);
    assert.deepEqual([ended.status, ended.stop_reason], ['cancelled', 'cancelled']);
    const answer = await client.agents.messages.create(agent.id, { messages: user('And now?') });
    assert.equal(answer.messages.at(-1).content, 'Understood.');
  });

  test('a conversation asks a model of its own', async () => {
    await client.conversations.update(conversation.id, { model: 'openai/gpt-4o' });
    await say('Hello.');
    await say('Hello.', { override_model: 'openai/gpt-4o-mini', override_system: 'Be brief.' });
    const asked = await model.requests();
    assert.deepEqual(asked.map((request) => request.model), ['gpt-4o', 'gpt-4o-mini']);
    assert.equal(asked[1].messages[0].content, 'Be brief.');
  });
});
