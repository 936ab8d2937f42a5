// Agent files, out of the server and into it, on both databases.

import assert from 'node:assert/strict';
import { createReadStream, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';

import Letta, { toFile } from '@letta-ai/letta-client';

import { UNKNOWN, createAgent, onEachDatabase, user } from './harness.mjs';

const FILES = resolve(import.meta.dirname, '../../agent_files');

await onEachDatabase(({ client }) => {
  test('an agent is exported and imported as its equal', async () => {
    const agent = await createAgent(client, { name: 'Ada', tags: ['demo'] });
    await client.agents.messages.create(agent.id, { messages: user('Hello.') });
    // The SDK reads the body by its type, so this is the file and not its text.
    const file = await client.agents.exportFile(agent.id);
    assert.deepEqual(file.agents.map((exported) => exported.id), ['agent-0']);

    const upload = await toFile(Buffer.from(JSON.stringify(file)), 'ada.af');
    const { agent_ids: ids } = await client.agents.importFile({ file: upload });
    const include = ['agent.blocks', 'agent.tools', 'agent.tags'];
    const [original, copy] = await Promise.all(
      [agent.id, ids[0]].map((id) => client.agents.retrieve(id, { include })),
    );
    assert.equal(copy.name, 'Ada_copy');
    assert.deepEqual(copy.tags, original.tags);
    assert.deepEqual(copy.tools.map((tool) => tool.id), original.tools.map((tool) => tool.id));
    assert.deepEqual(copy.blocks.map((block) => block.value), original.blocks.map((block) => block.value));
    assert.equal(copy.message_ids.length, original.message_ids.length);
  });

  test('a file from the disk is imported as its sender wants it', async () => {
    const { agent_ids: ids } = await client.agents.importFile({
      file: createReadStream(resolve(FILES, 'full.af')),
      name: 'Given',
      model: 'openai/gpt-4o-mini',
      secrets: JSON.stringify({ CASINO_KEY: 's3cret' }),
      strip_messages: true,
    });
    assert.equal(ids.length, 2);
    const agent = await client.agents.retrieve(ids[0], { include: ['agent.secrets', 'agent.managed_group'] });
    assert.equal(agent.name, 'Given');
    assert.equal(agent.secrets.find((secret) => secret.key === 'CASINO_KEY').value, 's3cret');
    assert.deepEqual(agent.managed_group.agent_ids, [ids[1]]);
  });

  test('wrong files and arguments are refused', async () => {
    const upload = (content) => toFile(Buffer.from(content), 'agent.af');
    await assert.rejects(client.agents.importFile({ file: await upload('{') }), Letta.BadRequestError);
    await assert.rejects(client.agents.importFile({ file: await upload('{}') }), Letta.BadRequestError);
    const minimal = await upload(readFileSync(resolve(FILES, 'minimal.af')));
    await assert.rejects(client.agents.importFile({ file: minimal, model: 'openai/none' }), Letta.NotFoundError);
    await assert.rejects(client.agents.importFile({ file: minimal, name: 'a/b' }), Letta.UnprocessableEntityError);
    await assert.rejects(client.agents.exportFile(`agent-${UNKNOWN}`), Letta.NotFoundError);
    await assert.rejects(client.agents.exportFile('agent-1'), Letta.UnprocessableEntityError);
  });
});
