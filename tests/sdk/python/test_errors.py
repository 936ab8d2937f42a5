"""Each kind of fault arrives as the exception that the SDK has for it, and leaves things as they were."""

import uuid

import letta_client
import pytest

from harness import UNKNOWN, kinds, user


def test_unknown_ids_are_not_found(client):
    for lookup in (
        lambda: client.agents.retrieve(f"agent-{UNKNOWN}"),
        lambda: client.agents.messages.create(f"agent-{UNKNOWN}", messages=user("Hello?")),
        lambda: client.agents.delete(f"agent-{UNKNOWN}"),
        lambda: client.blocks.retrieve(f"block-{UNKNOWN}"),
        lambda: client.tools.retrieve(f"tool-{UNKNOWN}"),
        lambda: client.runs.retrieve(f"run-{UNKNOWN}"),
        lambda: client.steps.retrieve(f"step-{UNKNOWN}"),
    ):
        with pytest.raises(letta_client.NotFoundError) as raised:
            lookup()
        assert raised.value.body["detail"]


def test_malformed_ids_are_unprocessable(client):
    for lookup in (
        lambda: client.agents.retrieve("nonsense"),
        lambda: client.agents.retrieve(f"block-{UNKNOWN}"),
        lambda: client.blocks.retrieve(f"agent-{UNKNOWN}"),
    ):
        with pytest.raises(letta_client.UnprocessableEntityError) as raised:
            lookup()
        assert isinstance(raised.value.body["detail"], str)


def test_bodies_that_break_a_rule_are_unprocessable(client, agent):
    for send in (
        lambda: client.agents.messages.create(agent.id, messages=[]),
        lambda: client.agents.messages.create(agent.id, input="a", messages=user("b")),
        lambda: client.agents.messages.create(agent.id),
        lambda: client.agents.messages.create(agent.id, messages=user("a"), stream_tokens=True),
        lambda: client.agents.list(limit="many"),
        lambda: client.agents.list(limit=-1),
    ):
        with pytest.raises(letta_client.UnprocessableEntityError):
            send()


def test_an_unknown_model_is_not_found_and_says_what_there_is(client):
    with pytest.raises(letta_client.NotFoundError) as raised:
        client.agents.create(model="openai/no-such-model")
    assert "openai/no-such-model" in raised.value.body["detail"]


def test_an_unknown_cursor_is_not_found(client):
    with pytest.raises(letta_client.NotFoundError):
        client.agents.list(after=f"agent-{UNKNOWN}")


def test_a_label_used_twice_is_a_conflict(client, agent):
    block = client.blocks.create(label="human", value="Another one.")
    with pytest.raises(letta_client.ConflictError):
        client.with_options(max_retries=0).agents.blocks.attach(block.id, agent_id=agent.id)
    labels = [block.label for block in client.agents.blocks.list(agent.id)]
    assert sorted(labels) == ["human", "persona"]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, letta_client.AuthenticationError),
        (400, letta_client.BadRequestError),
        (429, letta_client.RateLimitError),
        (500, letta_client.InternalServerError),
    ],
)
def test_a_model_that_refuses_is_the_matching_exception(client, agent, model, status, error):
    model.script(answers=[], fallback={"status": status, "body": {"error": {"message": "As scripted."}}})
    with pytest.raises(error) as raised:
        client.with_options(max_retries=0).agents.messages.create(agent.id, messages=user("Hello?"))
    assert raised.value.body["error"]["type"].startswith("llm_")
    listed = kinds(client.agents.messages.list(agent.id))
    assert listed == ["system_message"], "a first step that failed leaves no message"

    model.reset()
    assert client.agents.messages.create(agent.id, messages=user("Now?")).stop_reason.stop_reason == "end_turn"


def test_texts_are_free_but_for_nul(client):
    name = f"Ünïcode Grüße {uuid.uuid4().hex[:6]}"
    agent = client.agents.create(name=name, description="🦀 and 世界", model="openai/gpt-4o-mini")
    assert client.agents.retrieve(agent.id).name == name
    assert client.agents.retrieve(agent.id).description == "🦀 and 世界"
    with pytest.raises(letta_client.UnprocessableEntityError):
        client.agents.create(name="no/slashes", model="openai/gpt-4o-mini")
    block = client.blocks.create(label="strange", value="before\x00after")
    assert client.blocks.retrieve(block.id).value == "beforeafter"
