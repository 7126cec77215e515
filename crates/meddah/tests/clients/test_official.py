"""Clients that are programs of their own: the JavaScript library, and OpenAI's own tests of its Python library."""

import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent


def run(command, folder, **variables):
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **variables}, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def test_the_javascript_library(sidecar):
    folder = os.environ.get("MEDDAH_CLIENTS_NODE")
    if not folder:
        pytest.skip("there is no Node on this machine")
    # Packages are looked up beside the script, so it is put beside them.
    script = pathlib.Path(folder) / "openai.test.mjs"
    script.write_text((HERE / "openai.test.mjs").read_text())
    out = run(["node", "--test", "--test-reporter=tap", str(script)], folder, OPENAI_BASE_URL=sidecar.url("openai") + "/v1")
    assert "# pass 4" in out and "# fail 0" in out, out


def test_openais_own_tests(sidecar):
    """The tests that come with the library, with every documented parameter.

    Out of scope are replies that OpenAI keeps (retrieve, list, update, delete) and single models by names of
    OpenAI's own; so only what creates and lists is selected.
    """
    folder = os.environ["MEDDAH_CLIENTS_OPENAI"]
    base = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
    chosen = [("chat/test_completions.py", "create", 40), ("test_completions.py", "create", 40), ("test_models.py", "list", 15)]
    for file, names, count in chosen:
        command = [*base, f"tests/api_resources/{file}", "-k", names]
        out = run(command, folder, TEST_API_BASE_URL=sidecar.url("openai") + "/v1")
        assert f"{count} passed" in out, out
