"""Listening, measured: word errors and processor time of `meddah listen`, beside faster-whisper with the same weights.

    listening.py beside  MEDDAH MODEL.bin CT2_FOLDER VOICE.onnx   at three levels of noise
    listening.py names   MEDDAH MODEL.bin VOICE.onnx              how many names of a scene come back

Sentences are spoken by our own voice, so they are cleaner than people are. Needs numpy, and `beside` faster-whisper.
"""

import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time
import wave

HERE = pathlib.Path(__file__).parent
LINES = (HERE / "lines.txt").read_text().splitlines()
NAMES = dict(line.split("=") for line in (HERE / "names.txt").read_text().splitlines())
NOISES = [("clean", None), ("20 dB", 20.0), ("10 dB", 10.0)]
# Sentences without a name, for the comparison: no program can know how a made-up name is spelled.
PLAIN = [line for line in LINES if not any(name in line for name in NAMES)]
NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve".split()
TENS = {20: "twenty", 30: "thirty", 40: "forty", 50: "fifty", 100: "a hundred"}


def words(text):
    """As they are compared: without marks, figures as words, both spellings of English alike."""
    spoken = lambda figure: NUMBERS[figure] if figure < len(NUMBERS) else TENS.get(figure, str(figure))
    text = re.sub(r"\d+", lambda found: spoken(int(found[0])), text.lower().replace("-", " "))
    alike = {"harbor": "harbour", "gray": "grey", "okay": "ok"}
    return [alike.get(word, word) for word in re.sub(r"[^a-z' ]", " ", text).split()]


def errors(said, understood):
    """Which words of what was said are wrong or missing, and how many were put in between."""
    rows = [[(column, 0, ()) for column in range(len(understood) + 1)]]
    for row, word in enumerate(said, 1):
        line = [(row, 0, tuple(range(row)))]
        for column, other in enumerate(understood, 1):
            left, above, across = line[column - 1], rows[-1][column], rows[-1][column - 1]
            wrong = word != other
            line.append(min(
                (across[0] + wrong, across[1], across[2] + ((row - 1,) if wrong else ())),
                (above[0] + 1, above[1], above[2] + (row - 1,)),
                (left[0] + 1, left[1] + 1, left[2]),
                key=lambda cell: cell[0],
            ))
        rows.append(line)
    total, _, places = rows[-1][-1]
    return set(places), total - len(places)


def speak(meddah, voice, line, file, respelled=()):
    lexicon = [part for name in respelled for part in ("--pronounce", f"{name}={NAMES[name]}")]
    subprocess.run([meddah, "say", "--voice", voice, "--out", file, *lexicon, line], check=True,
                   stdout=subprocess.DEVNULL)


def read(file):
    import numpy
    with wave.open(str(file)) as sound:
        samples = numpy.frombuffer(sound.readframes(sound.getnframes()), numpy.int16)
        return samples.astype(numpy.float32) / 32768, sound.getframerate()


def with_noise(source, file, level_db):
    """White noise, so much quieter than the sentence."""
    import numpy
    samples, rate = read(source)
    if level_db is not None:
        noise = numpy.random.default_rng(7).standard_normal(len(samples)).astype(numpy.float32)
        samples = samples + noise * numpy.sqrt(numpy.mean(samples**2)) * 10 ** (-level_db / 20)
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1), sound.setsampwidth(2), sound.setframerate(rate)
        sound.writeframes((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())


def listen(meddah, model, files, names=()):
    """What was understood of each file, and the processor time of all of it with its worker."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    flags = ["--names", ",".join(names)] if names else []
    command = [meddah, "listen", "--json", "--model", model, *flags, *map(str, files)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    events = [json.loads(line) for line in output.splitlines()]
    return [event["text"] for event in events if event["final"]], cpu


def with_faster_whisper(folder, files):
    """The same by faster-whisper: weights of 8 bits, greedy, one thread."""
    from faster_whisper import WhisperModel
    model = WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=1, num_workers=1)
    understand = lambda file: " ".join(part.text.strip() for part in model.transcribe(
        str(file), beam_size=1, language="en", condition_on_previous_text=False)[0])
    understand(files[0])  # warms caches
    begun = time.process_time()
    texts = [understand(file) for file in files]
    return texts, time.process_time() - begun


def rate(lines, texts):
    wrong = sum(len(places) + more for places, more in (errors(words(a), words(b)) for a, b in zip(lines, texts)))
    return 100 * wrong / sum(len(words(line)) for line in lines)


def beside(meddah, model, folder, voice):
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        for place, line in enumerate(PLAIN):
            speak(meddah, voice, line, work / f"{place}.wav")
        silence = work / "silence.wav"
        with wave.open(str(silence), "wb") as sound:
            sound.setnchannels(1), sound.setsampwidth(2), sound.setframerate(16000)
            sound.writeframes(bytes(3200))
        seconds = sum(len(samples) / hertz for samples, hertz in (read(work / f"{at}.wav") for at in range(len(PLAIN))))
        _, load = listen(meddah, model, [silence])
        print(f"{len(PLAIN)} sentences, {seconds:.0f} s; load of the machine {os.getloadavg()[0]:.1f}")
        print(f"loading the model takes us {load:.2f} s of processor time, which is left out below")
        print(f"{'':8} {'words wrong, %':>22} {'processor time per second of sound':>36}")
        print(f"{'':8} {'meddah':>10} {'faster-wh.':>11} {'meddah':>12} {'faster-whisper':>15} {'ratio':>7}")
        for name, level in NOISES:
            files = [work / f"noisy-{at}.wav" for at in range(len(PLAIN))]
            for place, file in enumerate(files):
                with_noise(work / f"{place}.wav", file, level)
            texts, cpu = listen(meddah, model, files)
            other_texts, other_cpu = with_faster_whisper(folder, files)
            ours, theirs = (cpu - load) / seconds, other_cpu / seconds
            print(f"{name:8} {rate(PLAIN, texts):10.1f} {rate(PLAIN, other_texts):11.1f}"
                  f" {ours:12.3f} {theirs:15.3f} {ours / theirs:7.2f}")
            if os.environ.get("SHOW"):
                for line, text, other in zip(PLAIN, texts, other_texts):
                    if words(line) != words(text) or words(line) != words(other):
                        print(f"  {line}\n    meddah {text}\n    other  {other}")


def names(meddah, model, voice):
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        print(f"{len(LINES)} sentences, {len(NAMES)} names; load of the machine {os.getloadavg()[0]:.1f}")
        print(f"{'':40} {'names that come back':>21} {'other words wrong, %':>21}")
        for respelled in [(), tuple(NAMES)]:
            files = [work / f"{at}.wav" for at in range(len(LINES))]
            for line, file in zip(LINES, files):
                speak(meddah, voice, line, file, [name for name in respelled if name in line])
            for told in [(), tuple(NAMES)]:
                texts, _ = listen(meddah, model, files, told)
                back, others, wrong = 0, 0, 0
                for line, text in zip(LINES, texts):
                    said = words(line)
                    is_name = [word in {name.lower() for name in NAMES} for word in said]
                    places, more = errors(said, words(text))
                    back += sum(1 for place, name in enumerate(is_name) if name and place not in places)
                    others += is_name.count(False)
                    wrong += sum(1 for place in places if not is_name[place])
                    # What stands in for a name may be two words; that is no further error.
                    wrong += max(0, more - sum(is_name[place] for place in places))
                    if os.environ.get("SHOW") and places:
                        print(f"  {line}\n    {text}")
                how = f"{'in the lexicon' if respelled else 'said by rules'}, {'told' if told else 'not told'}"
                print(f"{how:40} {back:14} of {len(NAMES):3} {100 * wrong / others:21.1f}")


if __name__ == "__main__":
    {"beside": beside, "names": names}[sys.argv[1]](*sys.argv[2:])
