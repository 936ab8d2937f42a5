"""Images in messages."""

import pytest
from letta_client import BadRequestError

# The smallest thing that begins like an image.
PNG = "iVBORw0KGgo="


def look_at(source):
    return [{"role": "user", "content": [{"type": "text", "text": "Look."}, {"type": "image", "source": source}]}]


@pytest.mark.parametrize(
    "source",
    [
        {"type": "base64", "media_type": "image/png", "data": PNG},
        {"type": "url", "url": f"data:image/png;base64,{PNG}"},
    ],
)
def test_an_image_is_shown_to_the_model_and_kept_with_the_message(client, agent, model, source):
    model.say({"text": "I see."})
    client.agents.messages.create(agent.id, messages=look_at(source))
    shown = model.requests()[-1]["messages"][-1]["content"]
    assert shown[1]["image_url"]["url"] == f"data:image/png;base64,{PNG}"
    [message] = [item for item in client.agents.messages.list(agent.id) if item.message_type == "user_message"]
    image = message.content[1]
    assert (image.source.type, image.source.media_type, image.source.data) == ("letta", "image/png", PNG)
    assert image.source.file_id.startswith("file-")


def test_files_of_the_server_are_no_images(client, agent):
    with pytest.raises(BadRequestError, match="Unsupported image URL scheme 'file'"):
        client.agents.messages.create(agent.id, messages=look_at({"type": "url", "url": "file:///etc/passwd"}))
