"""From the end of what the player says to the first sound of the answer, all on this PC.

Questions are spoken by our own voice and sent to a running sidecar as fast as they were spoken, as a game sends its
microphone: with a key that is let go behind the last word, and with an open microphone. Prints a table.

Usage: answering.py MEDDAH VOICE_NAME QUESTIONS_FILE
"""

import base64
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import wave

MEDDAH, VOICE, QUESTIONS = sys.argv[1:4]
CHUNK_S = 0.1
# Longer than any pause that ends an utterance.
SILENCE_S = 3.0
# An answer that has not come by then does not come.
PATIENCE_S = 60.0


def call(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request(method, path, json.dumps(body) if body is not None else None)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def spoken(text, folder):
    """The text as numbers of 16 bits, and their rate. Silence at the end is cut off: the last word is the end."""
    path = os.path.join(folder, "question.wav")
    subprocess.run([MEDDAH, "say", "--voice", VOICE, "--out", path, text], check=True, capture_output=True)
    with wave.open(path) as file:
        sound, rate = file.readframes(file.getnframes()), file.getframerate()
    numbers = memoryview(sound).cast("h")
    end = max((i for i in range(0, len(numbers), 64) if abs(numbers[i]) > 300), default=len(numbers))
    return sound[: 2 * (end + 64)], rate


class Events:
    """All events of a session, with the moment at which each came."""

    def __init__(self, port, session):
        self.seen, self.over = [], threading.Event()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S * 10)
        connection.request("GET", f"/v1/sessions/{session}/events?cursor=0", headers={"Accept": "application/x-ndjson"})
        self.lines = connection.getresponse()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.lines:
            if line.strip():
                self.seen.append((time.monotonic(), json.loads(line)))

    def first(self, since, wanted):
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            for at, event in list(self.seen):
                if at >= since and wanted(event):
                    return at
            time.sleep(0.002)
        raise TimeoutError


def ask(port, session, events, sound, rate, open_microphone):
    commands = f"/v1/sessions/{session}/commands"
    listen = {"type": "listen", "to": "mira", "format": "pcm", "sample_rate_hz": rate, "more": True}
    listen["open" if open_microphone else "partial"] = True
    if not open_microphone:
        listen["req_id"] = f"r{time.monotonic_ns()}"
    began = time.monotonic()
    silence = bytes(2 * int(SILENCE_S * rate)) if open_microphone else b""
    step = 2 * int(CHUNK_S * rate)
    end_of_speech = began + len(sound) / 2 / rate
    whole = sound + silence
    for place in range(0, len(whole), step):
        time.sleep(max(0.0, began + (place + step) / 2 / rate - time.monotonic()))
        if open_microphone and any(e["type"] == "audio" and at > end_of_speech for at, e in list(events.seen)):
            break
        call(port, "POST", commands, {**listen, "data": base64.b64encode(whole[place : place + step]).decode()})
    call(port, "POST", commands, {**listen, "more": False, "end": True})
    final = events.first(end_of_speech, lambda e: e["type"] == "transcript" and e["final"] and e["text"])
    started = events.first(final, lambda e: e["type"] == "turn_started")
    line = events.first(started, lambda e: e["type"] in ("line", "turn_ended"))
    ended = events.first(started, lambda e: e["type"] == "turn_ended")
    # As a game tells it when a line was played; what still sounds may be taken for the next question's echo.
    for spoken_line in [e for at, e in list(events.seen) if started <= at <= ended and e["type"] == "line"]:
        heard = {"type": "heard", "turn": spoken_line["turn"], "line": spoken_line["line"], "fraction": 1.0}
        call(port, "POST", commands, heard)
    try:
        audio = next(at for at, e in list(events.seen) if started <= at <= ended and e["type"] == "audio")
    except StopIteration:
        return None  # it told what it does, and said nothing
    return [final - end_of_speech, line - final, audio - line, audio - end_of_speech]


def main():
    serve = subprocess.Popen([MEDDAH, "serve", "--port", "0"], stdout=subprocess.PIPE, text=True)
    port = json.loads(serve.stdout.readline())["port"]
    questions = [line.strip() for line in open(QUESTIONS, encoding="utf-8") if line.strip()]
    try:
        with tempfile.TemporaryDirectory() as folder:
            sounds = [spoken(question, folder) for question in questions]
        print("| | end of speech to transcript, ms | to the first line | to its sound | all, p50 | all, p95 |")
        print("|---|---|---|---|---|---|")
        for name, open_microphone in (("a key that is let go", False), ("an open microphone", True)):
            hello = {"player": f"Ann {open_microphone}", "capabilities": {"audio": ["pcm"], "audio_parts": True}}
            session = call(port, "POST", "/v1/sessions", hello)["session"]
            events = Events(port, session)
            ask(port, session, events, *sounds[0], open_microphone)  # everything is loaded now
            asked = [ask(port, session, events, *sound, open_microphone) for sound in sounds]
            times = [answered for answered in asked if answered]
            medians = [statistics.median(column) * 1000 for column in zip(*times)]
            whole = sorted(row[3] * 1000 for row in times)
            p95 = whole[min(len(whole) - 1, int(len(whole) * 0.95))]
            name = f"{name}, {len(times)} of {len(asked)} answered aloud"
            print(f"| {name} | {medians[0]:.0f} | {medians[1]:.0f} | {medians[2]:.0f} | {medians[3]:.0f} | {p95:.0f} |")
    finally:
        serve.terminate()
        serve.wait()


main()
