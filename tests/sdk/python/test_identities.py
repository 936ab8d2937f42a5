"""Identities, which the SDKs attach and detach; the resource itself has only routes."""

import uuid

import letta_client
import pytest

from harness import UNKNOWN

NOBODY = f"identity-{UNKNOWN}"


@pytest.fixture
def identity(client):
    body = {"identifier_key": f"user-{uuid.uuid4().hex}", "name": "Ada", "identity_type": "user"}
    made = client.post("/v1/identities/", cast_to=object, body=body)
    yield made
    client.delete(f"/v1/identities/{made['id']}", cast_to=object)


def identities_of(client, agent):
    return client.agents.retrieve(agent.id, include=["agent.identities"]).identities


def test_identities_are_attached_and_detached(client, agent, identity):
    for _ in range(2):
        client.agents.identities.attach(identity["id"], agent_id=agent.id)
    assert [other.id for other in identities_of(client, agent)] == [identity["id"]]
    assert identities_of(client, agent)[0].identifier_key == identity["identifier_key"]
    for _ in range(2):
        client.agents.identities.detach(identity["id"], agent_id=agent.id)
    assert identities_of(client, agent) == []


def test_agents_are_created_with_identities_and_found_by_them(client, identity):
    agent = client.agents.create(model="openai/gpt-4o-mini", identity_ids=[identity["id"]])
    assert [other.name for other in agent.identities] == ["Ada"]
    assert [found.id for found in client.agents.list(identity_id=identity["id"])] == [agent.id]
    assert [found.id for found in client.agents.list(identifier_keys=[identity["identifier_key"]])] == [agent.id]
    client.agents.update(agent.id, identity_ids=[])
    assert [found.id for found in client.agents.list(identity_id=identity["id"])] == []


def test_unknown_identities_are_named(client, agent):
    with pytest.raises(letta_client.NotFoundError, match=NOBODY):
        client.agents.identities.attach(NOBODY, agent_id=agent.id)
    with pytest.raises(letta_client.NotFoundError):
        client.agents.identities.detach(NOBODY, agent_id=agent.id)
    with pytest.raises(letta_client.NotFoundError, match=NOBODY):
        client.agents.create(model="openai/gpt-4o-mini", identity_ids=[NOBODY])
    with pytest.raises(letta_client.UnprocessableEntityError):
        client.agents.identities.attach("identity-1", agent_id=agent.id)
