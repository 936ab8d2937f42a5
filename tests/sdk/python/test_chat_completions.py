"""Agents as models: the official client of OpenAI, pointed at this server."""

import openai
import pytest

from harness import UNKNOWN, memory_insert

TURN = [
    {"text": "Let me see.", "tool_calls": [memory_insert("Sings.")]},
    {"text": "You sing well."},
]
WHOLE = "Let me see.\n\nYou sing well."


@pytest.fixture
def chat(server):
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="anything", max_retries=0)
    return client.chat.completions


def said(text):
    return [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Earlier."},
        {"role": "assistant", "content": "Later."},
        {"role": "user", "content": text},
    ]


def test_a_whole_answer(chat, client, agent, model):
    model.say(*TURN)
    answer = chat.create(model=agent.id, messages=said("I sing."), temperature=0.5, max_tokens=100, seed=7)
    choice = answer.choices[0]
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", WHOLE, "stop")
    assert (answer.object, answer.model) == ("chat.completion", "gpt-4o-mini")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    run = client.runs.list(agent_id=agent.id).items[0]
    assert answer.id == f"chatcmpl-{run.id}"
    asked = str(model.requests()[0]["messages"])
    assert "I sing." in asked and "Earlier." not in asked


def test_a_stream_of_pieces(chat, agent, model):
    model.say(*TURN)
    pieces = list(chat.create(model=agent.id, messages=said("I sing."), stream=True))
    assert all(piece.choices for piece in pieces)
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == WHOLE
    assert [piece.choices[0].finish_reason for piece in pieces if piece.choices[0].finish_reason] == ["stop"]
    assert [piece.choices[0].delta.role for piece in pieces if piece.choices[0].delta.role] == ["assistant"]
    assert len({(piece.id, piece.created, piece.model) for piece in pieces}) == 1
    assert all(piece.usage is None for piece in pieces)


def test_a_stream_with_its_usage(chat, agent, model):
    model.say({"text": "One.", "usage": {"prompt_tokens": 40, "completion_tokens": 2, "total_tokens": 42}})
    stream = chat.create(
        model=agent.id, messages=said("Count!"), stream=True, stream_options={"include_usage": True}
    )
    *others, last = list(stream)
    assert last.choices == []
    assert (last.usage.prompt_tokens, last.usage.total_tokens) == (40, 42)
    assert others[-1].choices[0].finish_reason == "stop"


def test_the_streaming_helper_of_the_client(chat, agent, model):
    model.say({"text": "Here I am."})
    with chat.stream(model=agent.id, messages=said("Hello?")) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    assert final.choices[0].message.content == "Here I am."


def test_an_answer_without_an_end(chat, agent, model):
    model.say({"text": "And then", "finish_reason": "length"})
    answer = chat.create(model=agent.id, messages=said("Tell me all!"))
    assert answer.choices[0].finish_reason == "length"


def test_errors_have_their_own_classes(chat, agent, model):
    with pytest.raises(openai.BadRequestError, match="should contain an agent ID"):
        chat.create(model="gpt-4o", messages=said("Hi."))
    with pytest.raises(openai.NotFoundError):
        chat.create(model=f"agent-{UNKNOWN}", messages=said("Hi."))
    with pytest.raises(openai.BadRequestError, match="No user message found"):
        chat.create(model=agent.id, messages=[{"role": "system", "content": "x"}])
    with pytest.raises(openai.UnprocessableEntityError, match="temperature"):
        chat.create(model=agent.id, messages=said("Hi."), temperature=3)
    model.say({"status": 401, "body": {"error": {"message": "No such key."}}})
    with pytest.raises(openai.AuthenticationError) as refused:
        chat.create(model=agent.id, messages=said("Hi."))
    assert refused.value.code == "llm_authentication"


def test_a_failure_in_the_stream_is_raised(chat, agent, model):
    model.say({"text": "One two three four five.", "ending": "cut", "ending_after": 3})
    pieces = []
    with pytest.raises(openai.APIError) as failed:
        for piece in chat.create(model=agent.id, messages=said("Hi."), stream=True):
            pieces.append(piece)
    assert failed.value.code == "llm_error"
    assert pieces and not any(piece.choices[0].finish_reason for piece in pieces)


def test_images_are_sent_along(chat, agent, model):
    url = "data:image/png;base64,iVBORw0KGgo="
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    chat.create(model=agent.id, messages=[{"role": "user", "content": parts}])
    sent = model.requests()[0]["messages"][-1]["content"]
    assert [part["type"] for part in sent] == ["text", "image_url"]
