// Tools through the TypeScript SDK, against the built server on both databases.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import Letta from '@letta-ai/letta-client';

import { createAgent, onEachDatabase } from './harness.mjs';

const SOURCE = `def greet(subject: str, times: int = 1) -> str:
    """Greet somebody.

    Args:
        subject: Whom to greet
        times: How often
    """
    return "Hello, " + subject
`;

await onEachDatabase(({ client }) => {
  test('a tool lives its whole life', async () => {
    const tool = await client.tools.create({ source_code: SOURCE, tags: ['polite'] });
    assert.equal(tool.name, 'greet');
    assert.deepEqual(tool.json_schema.parameters.required, ['subject']);
    const again = await client.tools.upsert({ source_code: SOURCE.replace('Greet', 'Salute') });
    assert.deepEqual([again.id, again.description, again.tags], [tool.id, 'Salute somebody.', ['polite']]);
    const changed = await client.tools.update(tool.id, { return_char_limit: 100, tags: [] });
    assert.deepEqual([changed.return_char_limit, changed.tags], [100, []]);
    assert.equal((await client.tools.retrieve(tool.id)).return_char_limit, 100);
    const found = await client.tools.search({ query: 'salute' });
    assert.equal(found[0].tool.id, tool.id);
    await client.tools.delete(tool.id);
    await assert.rejects(client.tools.retrieve(tool.id), Letta.NotFoundError);
  });

  test('a tool in TypeScript brings its schema', async () => {
    const source = 'export async function shout(text: string): Promise<string> { return text.toUpperCase(); }';
    const body = { source_code: source, source_type: 'typescript' };
    await assert.rejects(client.tools.create(body), /TypeScript tools require an explicit json_schema/);
    const parameters = { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] };
    const schema = { name: 'shout', description: 'Shout.', parameters };
    const tool = await client.tools.create({ ...body, json_schema: schema });
    assert.deepEqual([tool.name, tool.source_type, tool.json_schema], ['shout', 'typescript', schema]);
    await client.tools.delete(tool.id);
  });

  test('lists of tools page to the end', async () => {
    const ids = [];
    for await (const tool of client.tools.list({ limit: 5 })) ids.push(tool.id);
    assert.ok(ids.length >= 26);
    assert.equal(new Set(ids).size, ids.length);
    const types = new Set();
    for await (const tool of client.tools.list({ tool_types: ['letta_core'] })) types.add(tool.tool_type);
    assert.deepEqual([...types], ['letta_core']);
  });

  test('an agent runs a tool when asked to', async () => {
    const agent = await createAgent(client);
    const run = (label) =>
      client.agents.tools.run('memory_insert', { agent_id: agent.id, args: { label, new_string: 'Likes green.' } });
    assert.equal((await run('human')).status, 'success');
    assert.match((await client.agents.blocks.retrieve('human', { agent_id: agent.id })).value, /Likes green/);
    const failed = await run('none');
    assert.deepEqual([failed.status, failed.func_return], ['error', null]);
    await assert.rejects(client.agents.tools.run('none', { agent_id: agent.id }), Letta.NotFoundError);
  });
});
