"""The official Ollama library for Python against the Ollama face."""

import ollama
import pytest


@pytest.fixture(scope="session")
def client(sidecar):
    return ollama.Client(host=sidecar.url("ollama"))


def said(text):
    return [{"role": "system", "content": "You are a guard."}, {"role": "user", "content": text}]


def get_weather(city: str) -> str:
    """Tells the weather of a city.

    Args:
        city: Which city.
    """
    return f"Sunny in {city}."


def test_a_chat_is_answered_whole_and_in_pieces(client):
    whole = client.chat(model="llama3.2", messages=said("Hello!"))
    assert whole.message.content == "Welcome to the Lantern."
    assert (whole.model, whole.done, whole.done_reason) == ("llama3.2", True, "stop")
    assert whole.prompt_eval_count > 0 and whole.eval_count > 0 and whole.total_duration > 0
    pieces = list(client.chat(model="llama3.2", messages=said("Hello!"), stream=True))
    assert "".join(piece.message.content for piece in pieces) == "Welcome to the Lantern."
    assert len(pieces) > 2 and [piece.done for piece in pieces[-2:]] == [False, True]


def test_a_prompt_is_answered(client):
    whole = client.generate(model="x", prompt="Hello!", system="You are a guard.", options={"stop": [" the"]})
    assert whole.response == "Welcome to"
    pieces = list(client.generate(model="x", prompt="Hello!", stream=True))
    assert "".join(piece.response for piece in pieces) == "Welcome to the Lantern."


def test_a_tool_is_called_and_answered(client):
    messages = said("How is the weather?")
    reply = client.chat(model="x", messages=messages, tools=[get_weather])
    (call,) = reply.message.tool_calls
    assert (call.function.name, call.function.arguments) == ("get_weather", {"city": "Ankara"})
    result = {"role": "tool", "tool_name": "get_weather", "content": get_weather(**call.function.arguments)}
    messages += [reply.message, result, {"role": "user", "content": "Thank you."}]
    assert client.chat(model="x", messages=messages, tools=[get_weather]).message.content == "Welcome to the Lantern."


def test_the_reply_is_json_if_the_mod_wants_it(client):
    assert client.chat(model="x", messages=said("Your mood as JSON"), format="json").message.content == '{"mood": "calm"}'


def test_what_breaks_off_raises_an_error(client):
    with pytest.raises(ollama.ResponseError, match="broke off"):
        list(client.chat(model="x", messages=said("Please break off"), stream=True))
    with pytest.raises(ollama.ResponseError) as error:
        client.chat(model="character:nobody", messages=said("Hello!"))
    assert error.value.status_code == 404


def test_text_becomes_vectors_or_an_error_that_says_why_not(client, embedder):
    if not embedder:
        with pytest.raises(ollama.ResponseError, match="minilm") as error:
            client.embed(model="x", input="Hello!")
        assert error.value.status_code == 501
        return
    reply = client.embed(model="all-minilm", input=["Hello!", "Good evening."])
    assert reply.model == "all-minilm" and [len(vector) for vector in reply.embeddings] == [384, 384]
    assert reply.prompt_eval_count > 2 and reply.total_duration > 0
    older = client.embeddings(model="all-minilm", prompt="Hello!")
    assert list(older.embedding) == list(reply.embeddings[0])
    with pytest.raises(ollama.ResponseError) as error:
        client.embed(model="all-minilm", input="word " * 400, truncate=False)
    assert error.value.status_code == 400


def test_what_clients_ask_before_they_talk(client):
    names = [model.model for model in client.list().models]
    assert names[0] == "scripted" and any(name.startswith("character:") for name in names)
    assert "completion" in client.show("scripted").capabilities
    assert [model.model for model in client.ps().models] == ["scripted"]
    assert client.generate(model="scripted", prompt="").done_reason == "load"


def test_a_character_answers(client):
    character = next(model.model for model in client.list().models if model.model.startswith("character:"))
    reply = client.chat(model=character, messages=said("Hello!"))
    assert reply.message.content == "Welcome to the Lantern."
