"""The official OpenAI library for Python against the OpenAI face."""

import json

import openai
import pytest

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture(scope="session")
def client(sidecar):
    with openai.OpenAI(base_url=sidecar.url("openai") + "/v1", api_key="any", max_retries=0) as client:
        yield client


def said(text):
    return [{"role": "system", "content": "You are a guard."}, {"role": "user", "content": text}]


def test_a_reply_comes_whole_with_its_usage(client):
    reply = client.chat.completions.create(model="gpt-4o-mini", messages=said("Hello!"))
    assert reply.choices[0].message.content == "Welcome to the Lantern."
    assert reply.choices[0].finish_reason == "stop"
    assert reply.model == "scripted"
    usage = reply.usage
    assert usage.prompt_tokens > 0 and usage.completion_tokens > 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_a_reply_comes_in_chunks_and_the_usage_last(client):
    chunks = list(
        client.chat.completions.create(
            model="x", messages=said("Hello!"), stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "Welcome to the Lantern."
    assert len([chunk for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]) > 1
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens > 0
    assert all(chunk.usage is None for chunk in chunks[:-1])


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_called_and_answered(client, stream):
    messages = said("How is the weather?")
    if stream:
        with client.chat.completions.stream(model="x", messages=messages, tools=[WEATHER]) as events:
            choice = events.get_final_completion().choices[0]
    else:
        choice = client.chat.completions.create(model="x", messages=messages, tools=[WEATHER]).choices[0]
    assert choice.finish_reason == "tool_calls"
    (call,) = choice.message.tool_calls
    assert (call.type, call.function.name) == ("function", "get_weather")
    assert json.loads(call.function.arguments) == {"city": "Ankara"}
    messages += [
        choice.message.model_dump(include={"role", "content", "tool_calls"}, exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "Sunny."},
        {"role": "user", "content": "Thank you."},
    ]
    reply = client.chat.completions.create(model="x", messages=messages, tools=[WEATHER])
    assert reply.choices[0].message.content == "Welcome to the Lantern."
    assert reply.choices[0].message.tool_calls is None


def test_no_tool_is_called_if_the_mod_forbids_it(client):
    reply = client.chat.completions.create(
        model="x", messages=said("How is the weather?"), tools=[WEATHER], tool_choice="none"
    )
    assert reply.choices[0].message.tool_calls is None


def test_the_reply_is_json_if_the_mod_wants_it(client):
    schema = {"type": "object", "properties": {"mood": {"type": "string"}}, "required": ["mood"]}
    reply = client.chat.completions.create(
        model="x",
        messages=said("Your mood as JSON"),
        response_format={"type": "json_schema", "json_schema": {"name": "mood", "schema": schema}},
    )
    assert json.loads(reply.choices[0].message.content) == {"mood": "calm"}


def test_a_stop_text_ends_the_reply(client):
    reply = client.chat.completions.create(model="x", messages=said("Hello!"), stop=[" the"])
    assert reply.choices[0].message.content == "Welcome to"


def test_what_breaks_off_raises_an_error(client):
    with pytest.raises(openai.APIError, match="broke off"):
        for _ in client.chat.completions.create(model="x", messages=said("Please break off"), stream=True):
            pass
    with pytest.raises(openai.InternalServerError, match="broke off"):
        client.chat.completions.create(model="x", messages=said("Please break off"))


def test_mistakes_have_the_classes_that_mods_catch(client):
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(model="x", messages=[])
    assert "messages" in str(error.value) and error.value.type == "invalid_request_error"
    with pytest.raises(openai.NotFoundError) as error:
        client.chat.completions.create(model="character:nobody", messages=said("Hello!"))
    assert error.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")


def test_text_becomes_vectors_or_an_error_that_says_why_not(client, embedder):
    if not embedder:
        with pytest.raises(openai.InternalServerError, match="minilm") as error:
            client.embeddings.create(model="x", input="Hello!")
        assert error.value.status_code == 501 and error.value.code == "unsupported"
        return
    texts = ["Where did you hide the treasure?", "In which place is the gold buried?", "Bread is baked on Sundays."]
    # The client asks for base64 by itself, and for numbers if it is told so.
    for more in [{}, {"encoding_format": "float"}, {"dimensions": 384}]:
        reply = client.embeddings.create(model="x", input=texts, **more)
        vectors = [entry.embedding for entry in reply.data]
        assert [entry.index for entry in reply.data] == [0, 1, 2] and {len(vector) for vector in vectors} == {384}
        near, far = (sum(a * b for a, b in zip(vectors[0], vector)) for vector in vectors[1:])
        assert near > far + 0.2 and abs(sum(a * a for a in vectors[0]) - 1) < 1e-4
        assert reply.usage.prompt_tokens == reply.usage.total_tokens > 3
    single = client.embeddings.create(model="x", input=texts[0])
    assert single.data[0].embedding == vectors[0]
    for wrong in [{"input": [[1, 2]]}, {"input": ""}, {"input": "a", "dimensions": 64}]:
        with pytest.raises(openai.BadRequestError):
            client.embeddings.create(model="x", **wrong)


def test_a_stream_can_be_left_and_the_next_one_begins_at_once(client):
    for _ in range(3):
        stream = client.chat.completions.create(model="x", messages=said("Tell a long story"), stream=True)
        next(iter(stream))
        stream.close()
    assert client.chat.completions.create(model="x", messages=said("Hello!")).choices


def test_models_are_the_model_and_the_characters(client):
    names = [model.id for model in client.models.list()]
    assert names[0] == "scripted" and any(name.startswith("character:") for name in names)
    character = next(name for name in names if name.startswith("character:"))
    assert client.models.retrieve(character).id == character


def test_a_character_answers_with_a_feeling_and_an_action(client):
    character = next(model.id for model in client.models.list() if model.id.startswith("character:"))
    door = {"type": "function", "function": {"name": "open_door", "description": "Opens the cellar door."}}
    reply = client.chat.completions.create(
        model=character, messages=said("Will you open the door?"), tools=[door], user="Ayla"
    )
    message = reply.choices[0].message
    assert message.content == "Come in, then."
    assert message.model_extra["meddah"]["emotion"] == "joy"
    assert [call.function.name for call in message.tool_calls] == ["open_door"]
    assert reply.choices[0].finish_reason == "tool_calls"
    chunks = list(
        client.chat.completions.create(model=character, messages=said("Thank you!"), user="Ayla", stream=True)
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == "Welcome to the Lantern."
    assert chunks[-1].choices[0].delta.model_extra["meddah"]["emotion"] == "joy"


def test_old_completions_are_answered(client):
    reply = client.completions.create(model="x", prompt="<|im_start|>user\nHello!<|im_end|>\n<|im_start|>assistant\n")
    assert reply.choices[0].text == "Welcome to the Lantern."
    chunks = list(client.completions.create(model="x", prompt="Hello!", stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == "Welcome to the Lantern."
