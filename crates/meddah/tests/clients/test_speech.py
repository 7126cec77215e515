"""The official OpenAI library for Python speaks and listens through the OpenAI face, with a real voice and real ears."""

import io
import json
import re
import wave

import httpx
import openai
import pytest

SENTENCE = "The dragon burned three houses and flew away to the north."


@pytest.fixture(scope="session")
def client(sidecar):
    with openai.OpenAI(base_url=sidecar.url("openai") + "/v1", api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture(autouse=True)
def only_with_a_voice(speaks):
    if not speaks:
        pytest.skip("MEDDAH_TEST_VOICE and MEDDAH_TEST_WHISPER name no voice and no model that listens")


def words(text):
    return re.findall(r"[a-z]+", text.lower())


@pytest.fixture(scope="session")
def spoken(client):
    return client.audio.speech.create(model="tts-1", voice="alloy", input=SENTENCE, response_format="wav").read()


def test_a_text_is_spoken_and_understood_again(client, spoken):
    heard = client.audio.transcriptions.create(model="whisper-1", file=("said.wav", spoken), language="en")
    wrong = [word for word in words(SENTENCE) if word not in words(heard.text)]
    assert len(wrong) <= 2, heard.text


def test_speech_is_streamed_in_other_formats(client):
    for name, begins in [("mp3", b"\xff"), ("opus", b"OggS"), ("pcm", b"")]:
        with client.audio.speech.with_streaming_response.create(
            model="tts-1", voice="nova", input="Good evening.", response_format=name, speed=1.2
        ) as response:
            pieces = list(response.iter_bytes())
        assert b"".join(pieces).startswith(begins) and sum(map(len, pieces)) > 1000, name


def test_transcripts_come_as_text_and_with_their_length_and_streamed(client, spoken):
    text = client.audio.transcriptions.create(model="whisper-1", file=("a.wav", spoken), response_format="text")
    assert "dragon" in text.lower()
    whole = client.audio.transcriptions.create(model="whisper-1", file=("a.wav", spoken), response_format="verbose_json")
    with wave.open(io.BytesIO(spoken)) as file:
        rate = file.getframerate()
    seconds = (len(spoken) - 44) / 2 / rate
    assert abs(float(whole.duration) - seconds) < 0.1
    events = list(client.audio.transcriptions.create(model="whisper-1", file=("a.wav", spoken), stream=True))
    assert events[-1].type == "transcript.text.done" and "dragon" in events[-1].text.lower()


def test_what_is_no_sound_is_a_bad_request(client):
    with pytest.raises(openai.BadRequestError):
        client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"no sound"))
    with pytest.raises(openai.APIStatusError) as refused:
        client.audio.speech.create(model="tts-1", voice="alloy", input="Hail.", response_format="aac")
    assert "wav" in json.dumps(refused.value.response.json())


def test_a_player2_mod_speaks_and_listens(sidecar, spoken):
    url = sidecar.url("player2") + "/v1"
    voices = httpx.get(url + "/tts/voices").json()["voices"]
    assert any("joe" in voice["name"] for voice in voices)
    heard = httpx.post(url + "/stt/audio", content=spoken, timeout=60).json()
    assert "dragon" in heard["transcript"].lower()
