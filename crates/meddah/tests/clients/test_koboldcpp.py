"""A client of KoboldCpp's interface: raw prompts, streamed with server-sent events."""

import json

import httpx
import pytest

PROMPT = "<|im_start|>system\nYou are a guard.<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="session")
def http(sidecar):
    with httpx.Client(base_url=sidecar.url("koboldcpp"), timeout=20) as client:
        yield client


def tokens(response):
    event = None
    for line in response.iter_lines():
        if line.startswith("event: "):
            event = line.removeprefix("event: ")
        elif line.startswith("data: ") and event == "message":
            yield json.loads(line.removeprefix("data: "))


def test_a_prompt_is_continued(http):
    body = {"prompt": PROMPT.format("Hello!"), "max_length": 80, "temperature": 0.7, "stop_sequence": [" Lantern"]}
    (result,) = http.post("/api/v1/generate", json=body).raise_for_status().json()["results"]
    assert (result["text"], result["finish_reason"]) == ("Welcome to the", "stop")
    with http.stream("POST", "/api/extra/generate/stream", json={"prompt": "Ayla: Hello!\nMira:"}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        pieces = list(tokens(response))
    assert "".join(piece["token"] for piece in pieces) == "Welcome to the Lantern."
    assert pieces[-1] == {"token": "", "finish_reason": "stop"}


def test_a_reply_is_looked_at_and_called_off(http):
    body = {"prompt": PROMPT.format("Tell a long story"), "genkey": "KCPP1"}
    with http.stream("POST", "/api/extra/generate/stream", json=body) as response:
        pieces = tokens(response)
        next(pieces)
        so_far = http.post("/api/extra/generate/check", json={"genkey": "KCPP1"}).json()["results"][0]["text"]
        assert so_far.startswith("Once")
        assert http.post("/api/extra/abort", json={"genkey": "KCPP1"}).json()["success"] == "true"
        rest = list(pieces)
    assert rest[-1]["finish_reason"] == "stop"
    assert "day: one." not in "".join(piece["token"] for piece in rest)
    assert http.post("/api/extra/abort", json={"genkey": "KCPP1"}).json()["success"] == "false"


def test_what_clients_ask_before_they_talk(http):
    assert http.get("/api/v1/model").json() == {"result": "koboldcpp/scripted"}
    assert http.get("/api/v1/info/version").json()["result"]
    assert http.get("/api/extra/version").json()["result"] == "KoboldCpp"
    assert http.get("/api/extra/true_max_context_length").json()["value"] == 4096
    assert http.get("/api/v1/config/max_context_length").json()["value"] == 4096
    assert http.post("/api/extra/tokencount", json={"prompt": "one two three"}).json()["value"] == 3
    assert http.get("/api/extra/perf").json()["idle"] == 1
    refused = http.post("/api/v1/generate", json={})
    assert refused.status_code == 400 and "prompt" in refused.json()["detail"]["msg"]
    reply = http.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "Hello!"}]}).json()
    assert reply["choices"][0]["message"]["content"] == "Welcome to the Lantern."
