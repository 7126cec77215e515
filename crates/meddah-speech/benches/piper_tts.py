"""What the Python package `piper-tts` takes for the same lines: prints the rows that the bench `speaking` prints."""

import json
import sys
import time

from piper import PiperVoice

ROUNDS = 3


def main(model: str, lines: list[str]) -> None:
    began = time.monotonic()
    voice = PiperVoice.load(model)
    print(json.dumps({"load_ms": (time.monotonic() - began) * 1000}))
    cpu_seconds = audio_seconds = 0.0
    for turn in range(ROUNDS):
        for number, text in enumerate(lines):
            cpu, began, first_ms, seconds = time.process_time(), time.monotonic(), None, 0.0
            for chunk in voice.synthesize(text):
                if first_ms is None:
                    first_ms = (time.monotonic() - began) * 1000
                seconds += len(chunk.audio_int16_bytes) / 2 / chunk.sample_rate
            row = {
                "round": turn,
                "line": number,
                "first_audio_ms": first_ms,
                "wall_ms": (time.monotonic() - began) * 1000,
                "cpu_ms": (time.process_time() - cpu) * 1000,
                "audio_ms": seconds * 1000,
            }
            print(json.dumps(row))
            if turn > 0:
                cpu_seconds += row["cpu_ms"] / 1000
                audio_seconds += seconds
    print(json.dumps({"cpu_real_time_factor": cpu_seconds / audio_seconds}))


if __name__ == "__main__":
    with open(sys.argv[2], encoding="utf-8") as file:
        main(sys.argv[1], file.read().splitlines())
