// Identities of agents, and agents with a companion that tends their memory, on both databases.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';

import Letta from '@letta-ai/letta-client';

import { UNKNOWN, collect, createAgent, onEachDatabase } from './harness.mjs';

await onEachDatabase(({ client }) => {
  test('an identity is attached, leads to its agents, and is detached', async () => {
    const body = { identifier_key: `user-${randomUUID()}`, name: 'Ada', identity_type: 'user' };
    const identity = await client.post('/v1/identities/', { body });
    const agent = await createAgent(client);
    await client.agents.identities.attach(identity.id, { agent_id: agent.id });
    const { identities } = await client.agents.retrieve(agent.id, { include: ['agent.identities'] });
    assert.deepEqual(identities.map((other) => other.name), ['Ada']);
    for (const query of [{ identity_id: identity.id }, { identifier_keys: [body.identifier_key] }]) {
      assert.deepEqual((await collect(client.agents.list(query))).map((found) => found.id), [agent.id]);
    }
    await client.agents.identities.detach(identity.id, { agent_id: agent.id });
    assert.deepEqual(await collect(client.agents.list({ identity_id: identity.id })), []);
    const unknown = client.agents.identities.attach(`identity-${UNKNOWN}`, { agent_id: agent.id });
    await assert.rejects(unknown, Letta.NotFoundError);
    await assert.rejects(client.post('/v1/identities/', { body }), Letta.ConflictError);
  });

  test('a companion shares the memory of its agent and goes with it', async () => {
    const agent = await createAgent(client, { enable_sleeptime: true });
    const [companion] = agent.multi_agent_group.agent_ids;
    const { blocks, agent_type } = await client.agents.retrieve(companion, { include: ['agent.blocks'] });
    assert.equal(agent_type, 'sleeptime_agent');
    assert.deepEqual(blocks.map((block) => block.label).sort(), ['human', 'memory_persona']);
    await client.agents.delete(agent.id);
    await assert.rejects(client.agents.retrieve(companion), Letta.NotFoundError);
  });
});
