"""A sidecar with a scripted model and every face that is tested here, for the clients that mods are made with."""

import json
import os
import pathlib
import subprocess
import tempfile

import pytest

HERE = pathlib.Path(__file__).parent
FACES = ["openai", "player2", "ollama", "koboldcpp"]


# A real one, or what is answered without is tested.
EMBEDDER = os.environ.get("MEDDAH_TEST_EMBEDDER", "")


# Real ones, too: a voice with its description beside it, and a model that listens.
VOICE = os.environ.get("MEDDAH_TEST_VOICE", "")
LISTENER = os.environ.get("MEDDAH_TEST_WHISPER", "")


def install(folder: str) -> None:
    """Puts voice and listener where the sidecar looks for them."""
    models = pathlib.Path(folder) / "models"
    models.mkdir()
    for file in filter(None, [VOICE, VOICE and VOICE + ".json", LISTENER]):
        (models / pathlib.Path(file).name).symlink_to(file)


class Sidecar:
    """A running `meddah serve` and where its faces are."""

    def __init__(self, program: str, folder: str):
        command = [program, "serve", "--port", "0", "--model", f"scripted:{HERE / 'script.toml'}"]
        for face in FACES:
            command += ["--face", f"{face}:0"]
        environment = {**os.environ, "MEDDAH_DATA": folder}
        install(folder)
        if EMBEDDER:
            environment["MEDDAH_EMBEDDER"] = EMBEDDER
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment, text=True
        )
        ready = json.loads(self.process.stdout.readline())
        assert ready["ready"] is True
        self.ports = {face["name"]: face["port"] for face in ready["faces"]}

    def url(self, face: str) -> str:
        return f"http://127.0.0.1:{self.ports[face]}"

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(timeout=20) == 0


@pytest.fixture(scope="session")
def embedder():
    return EMBEDDER


@pytest.fixture(scope="session")
def speaks():
    return bool(VOICE and LISTENER)


@pytest.fixture(scope="session")
def sidecar():
    with tempfile.TemporaryDirectory() as folder:
        running = Sidecar(os.environ["MEDDAH_BIN"], folder)
        yield running
        running.stop()
