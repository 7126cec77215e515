"""A client of Player2's published interface, in both forms of its paths, as mods write it."""

import json

import httpx
import pytest

CHARACTER = {
    "name": "Mira of the Gate",
    "short_name": "Mira",
    "character_description": "Guards the gate.",
    "system_prompt": "You never let anybody in after dark.",
    "commands": [
        {
            "name": "open_door",
            "description": "Opens the door.",
            "parameters": {"type": "object", "properties": {}, "required": []},
        }
    ],
    "tts": None,
    "keep_game_state": False,
}


class Mod:
    """Opens the stream of responses, says something and waits for the answer."""

    def __init__(self, http: httpx.Client, base: str, accept: str):
        self.http, self.base, self.accept = http, base, accept

    def spawn(self) -> str:
        return self.http.post(f"{self.base}/spawn", json=CHARACTER).raise_for_status().json()

    def ask(self, npc: str, text: str, state: str | None = None) -> dict:
        with self.http.stream("GET", f"{self.base}/responses", headers={"Accept": self.accept}) as stream:
            said = {"sender_name": "Ayla", "sender_message": text, "game_state_info": state, "tts": None}
            self.http.post(f"{self.base}/{npc}/chat", json=said).raise_for_status()
            return next(self.responses(stream))

    def responses(self, stream):
        event = None
        for line in stream.iter_lines():
            if self.accept != "text/event-stream":
                if line:
                    yield json.loads(line)
            elif line.startswith("event:"):
                event = line.split(":", 1)[1].strip()
            elif line.startswith("data:") and event == "npc_response":
                yield json.loads(line.split(":", 1)[1])


@pytest.fixture(scope="session")
def base(sidecar):
    return sidecar.url("player2") + "/v1"


@pytest.fixture
def http():
    with httpx.Client(timeout=20, headers={"player2-game-key": "test-game"}) as client:
        yield client


FORMS = [
    ("npcs", "text/event-stream"),
    ("npcs", "application/json"),
    ("npc/games/test-game/npcs", "application/x-json-stream"),
    ("npc/games/test-game/npcs", "application/x-ndjson"),
]


@pytest.mark.parametrize("path, accept", FORMS)
def test_a_character_is_spawned_talks_acts_and_is_gone(http, base, path, accept):
    mod = Mod(http, f"{base}/{path}", accept)
    npc = mod.spawn()
    answer = mod.ask(npc, "Hello!", state=json.dumps({"weather": "rain", "health": 20}))
    assert (answer["npc_id"], answer["message"], answer["command"]) == (npc, "Welcome to the Lantern.", None)
    answer = mod.ask(npc, "Will you open the door?")
    assert answer["message"] == "Come in, then."
    (command,) = answer["command"]
    assert command["name"] == "open_door" and json.loads(command["arguments"]) == {}
    history = http.get(f"{base}/{path}/{npc}/history").raise_for_status().json()["history"]
    assert history[-1] == {"role": "assistant", "content": "Come in, then."}
    http.post(f"{base}/{path}/{npc}/kill").raise_for_status()
    gone = http.post(f"{base}/{path}/{npc}/chat", json={"sender_name": "Ayla", "sender_message": "Hello?"})
    assert gone.status_code == 404 and gone.json()["message"]
    assert mod.spawn() == npc, "spawned again, it is the same one"


def test_a_failed_answer_comes_on_the_stream(http, base):
    mod = Mod(http, f"{base}/npcs", "text/event-stream")
    npc = mod.spawn()
    answer = mod.ask(npc, "Please break off")
    assert answer["npc_id"] == npc and (answer["message"] or answer["error"]["error_code"])


def test_a_mod_logs_in_and_chats_without_naming_a_model(http, base):
    key = httpx.post(f"{base}/login/web/another-game", content=b"").raise_for_status().json()["p2Key"]
    http.headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json; charset=utf-8"}
    body = {"messages": [{"role": "system", "content": "You are a guard."}, {"role": "user", "content": "Hello!"}]}
    reply = http.post(f"{base}/chat/completions", json=body).raise_for_status().json()
    assert reply["choices"][0]["message"]["content"] == "Welcome to the Lantern."
    assert reply["usage"]["total_tokens"] > 0
    lines = http.post(f"{base}/chat/completions", json={**body, "stream": True}).text.split("\n\n")
    assert json.loads(lines[0].removeprefix("data: "))["object"] == "chat.completion.chunk"
    assert lines[-2] == "data: [DONE]"
    refused = http.post(f"{base}/chat/completions", json={"messages": []})
    assert refused.status_code == 400 and "messages" in refused.json()["message"]


def test_what_mods_ask_besides(http, base):
    assert http.get(f"{base}/health").json()["client_version"]
    assert http.get(f"{base}/joules").json()["joules"] > 0
    characters = http.get(f"{base}/selected_characters").json()["characters"]
    assert characters and {"id", "name", "short_name", "description", "greeting", "voice_ids"} <= characters[0].keys()
    voices = http.get(f"{base}/tts/voices").json()["voices"]
    assert voices and all({"id", "name", "language", "gender"} <= voice.keys() for voice in voices)
    spoken = http.post(f"{base}/tts/speak", json={"text": "Hello!"})
    assert spoken.status_code == 200 and len(spoken.json()["data"]) > 1000
    assert http.post(f"{base}/stt/start", json={"timeout": 30}).status_code == 501
    assert http.post(f"{base}/stt/stop").json() == {"text": ""}
    assert http.post(f"{base}/npcs/spawn", json={}).status_code == 400
