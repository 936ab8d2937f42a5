"""The first minutes with the server: create, talk, see the memory change, stream, lose power, go on."""

from letta_client import Letta

from harness import kinds, memory_insert, user


def remember(text):
    return {"tool_calls": [memory_insert(text)]}


def test_the_tour_works_as_written(server, model):
    client = Letta(base_url=server.url, api_key="anything-when-no-password-is-set")
    agent = client.agents.create(
        model="openai/gpt-4o-mini",
        embedding="openai/text-embedding-3-small",
        memory_blocks=[{"label": "human", "value": "Nothing known yet."}, {"label": "persona", "value": "Helpful."}],
        tags=["demo"],
    )
    model.say(remember("Favourite colour: green."), {"text": "I will remember green."})
    response = client.agents.messages.create(agent.id, messages=user("My favourite colour is green. Remember it."))

    assert kinds(response.messages) == ["tool_call_message", "tool_return_message", "assistant_message"]
    call, returned, answer = response.messages
    assert call.tool_call.name == "memory_insert"
    assert returned.status == "success"
    assert returned.tool_call_id == call.tool_call.tool_call_id
    assert answer.content == "I will remember green."
    assert response.stop_reason.stop_reason == "end_turn"
    assert response.usage.step_count == 2
    assert response.usage.total_tokens == response.usage.prompt_tokens + response.usage.completion_tokens
    assert "Favourite colour: green." in client.agents.blocks.retrieve("human", agent_id=agent.id).value

    model.say({"text": "You like green very much."})
    events = list(
        client.agents.messages.create(agent.id, messages=user("What do you know about me?"), streaming=True, stream_tokens=True)
    )
    streamed = [event for event in events if event.message_type == "assistant_message"]
    assert len(streamed) > 1, "tokens come one by one"
    assert "".join(event.content for event in streamed) == "You like green very much."
    assert "Favourite colour: green." in model.requests()[-1]["messages"][0]["content"], "the model sees the new memory"


def test_everything_is_still_there_after_a_power_cut(server, client, agent, model):
    model.say(remember("Lives in Oulu."), {"text": "Noted."})
    client.agents.messages.create(agent.id, messages=user("I live in Oulu."))
    before = [(message.id, message.message_type) for message in client.agents.messages.list(agent.id)]

    server.restart()

    assert client.agents.retrieve(agent.id, include=["agent.tags"]).tags == ["demo"]
    assert "Lives in Oulu." in client.agents.blocks.retrieve("human", agent_id=agent.id).value
    assert [(message.id, message.message_type) for message in client.agents.messages.list(agent.id)] == before
    model.say({"text": "In Oulu."})
    response = client.agents.messages.create(agent.id, messages=user("Where do I live?"))
    assert response.messages[-1].content == "In Oulu."
    texts = [str(message.get("content")) for message in model.requests()[-1]["messages"]]
    assert any("I live in Oulu." in text for text in texts), "the conversation goes on where it was"


def test_the_agent_carries_its_whole_state(client, agent):
    state = client.agents.retrieve(agent.id, include=["agent.blocks", "agent.tools", "agent.tags"])
    assert state.id.startswith("agent-")
    assert state.agent_type == "letta_v1_agent"
    assert state.model == "openai/gpt-4o-mini"
    assert state.embedding == "openai/text-embedding-3-small"
    assert {block.label: block.value for block in state.blocks} == {"human": "Nothing known yet.", "persona": "Helpful."}
    assert {"memory_insert", "memory_replace", "conversation_search"} <= {tool.name for tool in state.tools}
    assert state.llm_config.model == "gpt-4o-mini"
    assert state.system
    assert state.created_at is not None


def test_an_agent_is_updated_and_deleted(client, agent):
    updated = client.agents.update(agent.id, name="renamed", tags=["b", "a"], description="Of use.")
    assert (updated.name, sorted(updated.tags), updated.description) == ("renamed", ["a", "b"], "Of use.")
    client.agents.delete(agent.id)
    assert agent.id not in [other.id for other in client.agents.list()]


def test_health_reports_a_version_that_clients_accept(client):
    health = client.health()
    assert health.status == "ok"
    assert tuple(int(part) for part in health.version.split(".")[:3]) >= (0, 16, 8)
