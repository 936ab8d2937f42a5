// The methods of the TypeScript SDK that the other files have no use for, and wrong arguments to all of them.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { beforeEach, test } from 'node:test';

import Letta from '@letta-ai/letta-client';

import { EMBEDDING, UNKNOWN, collect, createAgent, kinds, memoryInsert, onEachDatabase, user, withoutPings } from './harness.mjs';

const ids = (items) => [...new Set(items.map((item) => item.id))];

await onEachDatabase(({ client, model }) => {
  let agent;

  beforeEach(async () => {
    agent = await createAgent(client);
  });

  const turn = async () => {
    await model.say({ text: 'Let me note that.', tool_calls: [memoryInsert('Has a cat.')] }, { text: 'Noted.' });
    return client.agents.messages.create(agent.id, { messages: user('I have a cat.') });
  };

  test('the server says that it is well', async () => {
    assert.equal((await client.health()).status, 'ok');
  });

  test('an agent is changed, and what is not named stays', async () => {
    const body = { name: 'Ada', description: 'Of use.', tags: ['b', 'a'], metadata: { page: 1 }, timezone: 'Europe/Helsinki' };
    const changed = await client.agents.update(agent.id, body);
    assert.deepEqual([changed.name, changed.description, changed.metadata], ['Ada', 'Of use.', { page: 1 }]);
    const renamed = await client.agents.update(agent.id, { name: 'Grace', description: null });
    assert.deepEqual([renamed.name, renamed.timezone], ['Grace', 'Europe/Helsinki']);
    assert.deepEqual(renamed.metadata, { page: 1 });
    await assert.rejects(client.agents.update(agent.id, { name: 'no/slashes' }), Letta.UnprocessableEntityError);
    await assert.rejects(client.agents.update(agent.id, { model: 'openai/none' }), Letta.NotFoundError);
  });

  test('the system message shows the memory of now', async () => {
    await client.agents.blocks.update('human', { agent_id: agent.id, value: 'Likes green.' });
    assert.match(await client.agents.recompile(agent.id, { dry_run: true }), /Likes green\./);
    const [first] = await collect(client.agents.messages.list(agent.id, { order: 'asc' }));
    assert.match(first.content, /Likes green\./);
  });

  test('a reset begins afresh', async () => {
    await turn();
    assert.ok((await client.agents.retrieve(agent.id)).message_ids.length > 2);
    assert.equal((await client.agents.messages.reset(agent.id, {})).id, agent.id);
    assert.equal((await client.agents.retrieve(agent.id)).message_ids.length, 1);
    await client.agents.messages.reset(agent.id, { add_default_initial_messages: true });
  });

  test('the older route of streams streams', async () => {
    await model.say({ text: 'Well met.' });
    const events = await collect(client.agents.messages.stream(agent.id, { messages: user('Hello.') }));
    assert.deepEqual(kinds(withoutPings(events)), ['assistant_message', 'stop_reason', 'usage_statistics']);
  });

  test('tools are listed, detached, attached, and made to ask first', async () => {
    const tools = await collect(client.agents.tools.list(agent.id, { limit: 1 }));
    assert.deepEqual(ids(tools).length, tools.length);
    const [tool] = tools;
    const names = async () => (await collect(client.agents.tools.list(agent.id, { limit: 50 }))).map((one) => one.name);
    await client.agents.tools.detach(tool.id, { agent_id: agent.id });
    assert.ok(!(await names()).includes(tool.name));
    await client.agents.tools.attach(tool.id, { agent_id: agent.id });
    assert.ok((await names()).includes(tool.name));
    const asking = async () => {
      const { tool_rules: rules } = await client.agents.retrieve(agent.id);
      return rules.filter((rule) => rule.type === 'requires_approval').map((rule) => rule.tool_name);
    };
    for (const asks of [true, false]) {
      await client.agents.tools.updateApproval(tool.name, { agent_id: agent.id, body_requires_approval: asks });
      assert.deepEqual(await asking(), asks ? [tool.name] : []);
    }
  });

  test('blocks are listed by what they are, and changed', async () => {
    const label = `label-${randomUUID().slice(0, 8)}`;
    const made = [];
    for (const value of ['One.', 'Two.', 'Three.']) made.push((await client.blocks.create({ label, value })).id);
    for (const limit of [1, 2, 3]) {
      assert.deepEqual(ids(await collect(client.blocks.list({ label, limit, order: 'asc' }))), made);
      assert.deepEqual(ids(await collect(client.blocks.list({ label, limit, order: 'desc' }))), made.toReversed());
    }
    assert.deepEqual(ids(await collect(client.blocks.list({ label, value_search: 'two' }))), [made[1]]);
    const changed = await client.blocks.update(made[0], { description: 'First.', read_only: true });
    assert.deepEqual([changed.value, changed.description, changed.read_only], ['One.', 'First.', true]);
    await client.blocks.update(made[0], { value: null, description: null });
    assert.equal((await client.blocks.retrieve(made[0])).value, 'One.');
    await assert.rejects(client.blocks.create({ label, value: 1 }), Letta.UnprocessableEntityError);
    await assert.rejects(client.blocks.list({ label: 'no spaces' }), Letta.UnprocessableEntityError);
  });

  test('models are listed by what they are for', async () => {
    const embeddings = await client.models.embeddings.list();
    assert.ok(embeddings.some((one) => one.handle.endsWith('/text-embedding-3-small')));
    assert.ok((await client.models.list({ provider_category: ['base'] })).length > 0);
    await assert.rejects(client.models.list({ provider_category: ['nobody'] }), Letta.UnprocessableEntityError);
  });

  test('a turn keeps its model calls, and a run shows how its time was spent', async () => {
    const said = (await turn()).messages.at(-1);
    const trace = await client.steps.trace.retrieve(said.step_id);
    assert.deepEqual([trace.step_id, trace.run_id, trace.call_type], [said.step_id, said.run_id, 'agent_step']);
    assert.equal(trace.request_json.model, 'gpt-4o-mini');
    const spans = await client.runs.trace.retrieve(said.run_id);
    assert.equal(spans.filter((span) => span.SpanName === 'agent_step').length, 2);
    assert.equal(await client.steps.trace.retrieve(`step-${UNKNOWN}`), null);
  });

  test('a turn leaves steps that are measured and judged', async () => {
    const response = await turn();
    const [first, second] = await collect(client.steps.list({ agent_id: agent.id, order: 'asc', limit: 1 }));
    assert.equal((await client.steps.retrieve(first.id)).run_id, response.messages[0].run_id);
    const metrics = await client.steps.metrics.retrieve(first.id);
    assert.ok(metrics.step_ns >= metrics.llm_request_ns && metrics.llm_request_ns > 0);
    const said = await collect(client.steps.messages.list(second.id));
    assert.equal(said.at(-1).content, 'Noted.');
    const usage = await client.runs.usage.retrieve(first.run_id);
    assert.equal(usage.total_tokens, response.usage.total_tokens);
    const judged = await client.steps.feedback.create(first.id, { feedback: 'negative', tags: ['late'] });
    assert.deepEqual([judged.feedback, judged.tags], ['negative', ['late']]);
    const found = await collect(client.steps.list({ agent_id: agent.id, feedback: 'negative' }));
    assert.deepEqual(ids(found), [first.id]);
    await assert.rejects(client.steps.feedback.create(first.id, { feedback: 'so so' }), Letta.UnprocessableEntityError);
  });

  test('messages are found without their agent', async () => {
    const response = await turn();
    const newest = await client.messages.list({ limit: 2 });
    assert.equal(newest.at(-1).id, response.messages.at(-1).id);
    assert.notEqual((await client.messages.list({ before: newest[0].id, limit: 1 })).at(-1).id, newest[0].id);
    const asked = await client.messages.list({ include_return_message_types: ['user_message'] });
    assert.deepEqual([...new Set(kinds(asked))], ['user_message']);
    const [message] = await client.messages.retrieve(asked.at(-1).id);
    assert.equal(message.content, 'I have a cat.');
  });

  test('each list of what belongs together goes to its end', async () => {
    const block = await client.blocks.create({ label: 'shared', value: 'x' });
    const folder = await client.folders.create({ name: randomUUID(), embedding: EMBEDDING });
    const made = { block_ids: [block.id], folder_ids: [folder.id] };
    const agents = [];
    for (let index = 0; index < 3; index += 1) agents.push((await createAgent(client, made)).id);
    await turn();
    for (const [list, least] of [
      [(page) => client.blocks.agents.list(block.id, page), 3],
      [(page) => client.agents.blocks.list(agents[0], page), 1],
      [(page) => client.agents.tools.list(agents[0], page), 3],
      [(page) => client.agents.folders.list(agents[0], page), 1],
      [(page) => client.runs.list({ agent_id: agent.id, ...page }), 1],
      [(page) => client.steps.list({ agent_id: agent.id, ...page }), 2],
    ]) {
      for (const order of ['asc', 'desc']) {
        const whole = (await list({ order, limit: 100 })).items.map((item) => item.id);
        assert.ok(whole.length >= least);
        for (const limit of [1, 2]) {
          assert.deepEqual((await collect(list({ order, limit }))).map((item) => item.id), whole);
        }
      }
    }
    assert.deepEqual((await client.folders.agents.list(folder.id)).toSorted(), agents.toSorted());
  });

  test('unknown ids are not found, and what is no id is refused', async () => {
    const folder = await client.folders.create({ name: randomUUID(), embedding: EMBEDDING });
    const within = { agent_id: agent.id };
    for (const [prefix, call] of [
      ['agent', (id) => client.agents.delete(id)],
      ['agent', (id) => client.agents.exportFile(id)],
      ['agent', (id) => client.agents.recompile(id)],
      ['agent', (id) => client.agents.update(id, { name: 'x' })],
      ['agent', (id) => client.agents.blocks.list(id)],
      ['agent', (id) => client.agents.files.list(id)],
      ['agent', (id) => client.agents.folders.list(id)],
      ['agent', (id) => client.agents.messages.list(id)],
      ['agent', (id) => client.agents.messages.reset(id, {})],
      ['agent', (id) => client.agents.passages.search(id, { query: 'x' })],
      ['agent', (id) => client.agents.tools.list(id)],
      ['agent', (id) => client.agents.blocks.retrieve('human', { agent_id: id })],
      ['agent', (id) => client.agents.tools.updateApproval('x', { agent_id: id, body_requires_approval: true })],
      ['archive', (id) => client.archives.update(id, { name: 'x' })],
      ['archive', (id) => client.archives.passages.create(id, { text: 'x' })],
      ['block', (id) => client.blocks.update(id, { value: 'x' })],
      ['block', (id) => client.blocks.agents.list(id)],
      ['block', (id) => client.agents.blocks.attach(id, within)],
      ['block', (id) => client.agents.blocks.detach(id, within)],
      ['file', (id) => client.agents.files.close(id, within)],
      ['file', (id) => client.folders.files.retrieve(id, { folder_id: folder.id })],
      ['file', (id) => client.folders.files.delete(id, { folder_id: folder.id })],
      ['message', (id) => client.messages.retrieve(id)],
      ['source', (id) => client.folders.update(id, { name: 'x' })],
      ['source', (id) => client.folders.agents.list(id)],
      ['source', (id) => client.agents.folders.attach(id, within)],
      ['step', (id) => client.steps.metrics.retrieve(id)],
      ['step', (id) => client.steps.messages.list(id)],
      ['tool', (id) => client.tools.update(id, { tags: [] })],
      ['tool', (id) => client.agents.tools.attach(id, within)],
    ]) {
      await assert.rejects(call(`${prefix}-${UNKNOWN}`), Letta.NotFoundError, `${call}`);
      await assert.rejects(call('nonsense'), Letta.UnprocessableEntityError, `${call}`);
    }
    await assert.rejects(client.runs.usage.retrieve(`run-${UNKNOWN}`), Letta.NotFoundError);
    await assert.rejects(client.runs.usage.retrieve('nonsense'), Letta.BadRequestError);
    for (const list of [client.agents, client.archives, client.blocks, client.folders, client.runs, client.steps, client.tools]) {
      await assert.rejects(list.list({ limit: 'many' }), Letta.UnprocessableEntityError);
      await assert.rejects(list.list({ order: 'sideways' }), Letta.UnprocessableEntityError);
    }
  });
});
