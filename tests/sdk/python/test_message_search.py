"""Messages of all agents, found by what they say."""

from datetime import datetime, timedelta, timezone
from uuid import uuid4

import letta_client
import pytest

from harness import user


@pytest.fixture
def word():
    """A word that no other test says."""
    return f"w{uuid4().hex}"


def test_what_was_said_is_found_in_each_mode(client, agent, model, word):
    model.say({"text": f"I like {word} too.", "reasoning": "Agree."})
    client.agents.messages.create(agent.id, messages=user(f"Do you like {word}?"))
    for mode in ("fts", "vector", "hybrid"):
        found = client.messages.search(query=word, search_mode=mode)
        assert sorted(message.message_type for message in found) == [
            "assistant_message",
            "reasoning_message",
            "user_message",
        ]
        assert {message.agent_id for message in found} == {agent.id}
    question = next(message for message in found if message.message_type == "user_message")
    assert question.content == f"Do you like {word}?"
    assert question.message_id in {message.id for message in client.agents.messages.list(agent.id)}


def test_a_search_is_narrowed_by_agent_conversation_and_time(client, agent, model, word):
    model.say({"text": "Noted."})
    client.agents.messages.create(agent.id, messages=user(word))
    (found,) = client.messages.search(query=word, agent_id=agent.id, conversation_id="default", limit=1)
    assert client.messages.search(query=word, start_date=found.created_at) == []
    assert client.messages.search(query=word, end_date=found.created_at) == [found]
    earlier = datetime.now(timezone.utc) - timedelta(days=1)
    assert client.messages.search(query=word, end_date=earlier) == []
    assert client.messages.search(query=word, start_date=earlier) == [found]


def test_a_search_for_too_many_is_refused(client):
    with pytest.raises(letta_client.UnprocessableEntityError):
        client.messages.search(query="x", limit=101)
