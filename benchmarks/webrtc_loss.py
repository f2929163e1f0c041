"""How both directions sound over bad lines: words understood, and an objective score (PESQ, wide band).

`PYTHONPATH=tests python -m benchmarks.webrtc_loss [TABLE ROW ...]`, as root: server and caller run in network
namespaces of their own with a line between them that loses, delays and reorders (tests/impairment.py). Needs
`pip install pesq`. docs/webrtc.md holds the table of a run.

Up: recorded speech is sent as a browser sends it (Opus with error correction), committed, transcribed by the server,
and fetched back as the server heard it. Down: the server says sentences; the caller's decoder conceals what is lost.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import httpx
import jiwer
import numpy as np
import pesq
import websockets
from aiortc import RTCCertificate
from whisper_normalizer.english import EnglishTextNormalizer

from benchmarks.running_server import KEY
from benchmarks.webrtc_peer import FRAME_S, LightPeer, call
from impairment import Link, NamespaceLink
from voicebridge.audio.opus import OpusDecoder
from voicebridge.audio.resample import Resampler
from voicebridge.audio.samples import Samples
from voicebridge.engines.embedded.stt import load_tiny

PORT = 8770
FRAME = 480
SPEECH = Path(__file__).parents[1] / "tests" / "data" / "speech"
TRANSCRIPTS: dict[str, str] = json.loads((SPEECH / "transcripts.json").read_text(encoding="utf-8"))
SENTENCES = (
    "Your appointment is on Tuesday at half past nine in the morning, and it takes about twenty minutes.",
    "The train to the coast leaves from platform seven, and there is a dining car at the front.",
    "Please keep the receipt, because without it we cannot give you your money back.",
)
LINES = [
    Link(loss=loss, delay_s=delay, jitter_s=jitter, reorder=jitter > 0)
    for loss in (0.0, 0.05, 0.1)
    for delay, jitter in ((0.0, 0.0), (0.05, 0.02), (0.15, 0.05))
]


# --- the caller, inside its namespace ---


async def caller(url: str) -> dict[str, Any]:
    certificate = RTCCertificate.generateCertificate()
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=f"http://{url}/v1/", headers=headers, timeout=30) as client:
        peer = LightPeer(certificate)
        async with asyncio.timeout(30):
            await call(peer, client)
            await peer.until("session.created")
    sideband = f"ws://{url}/v1/realtime?call_id={peer.location.rsplit('/', 1)[-1]}"
    mouth = Mouth(peer)
    async with (
        asyncio.TaskGroup() as tasks,
        websockets.connect(sideband, additional_headers=headers, max_size=None) as joined,
    ):
        peer.on_media = lambda _packet: None
        speaking = tasks.create_task(mouth.speak())
        heard = {"transcription": {"model": "gpt-4o-mini-transcribe"}, "turn_detection": None}
        peer.send("session.update", session={"type": "realtime", "audio": {"input": heard}})
        await peer.until("session.updated")
        up = [await said(mouth, joined, name) for name in TRANSCRIPTS]
        down = [await listened(peer, sentence) for sentence in SENTENCES]
        speaking.cancel()
    await peer.close()
    return {"up": up, "down": down}


class Mouth:
    """A microphone: a packet every 20 ms, of speech while there is some."""

    def __init__(self, peer: LightPeer) -> None:
        self.peer = peer
        self._words: asyncio.Queue[bytes] = asyncio.Queue()
        self._silence = encoded(np.zeros(FRAME * 5, np.int16))[-1]

    async def says(self, samples: Samples) -> None:
        """And is silent for a moment afterwards."""
        for packet in encoded(samples):
            self._words.put_nowait(packet)
        await asyncio.sleep(len(samples) / 24_000 + 0.9)

    async def speak(self) -> None:
        now = asyncio.get_running_loop().time
        begun = now()
        for index in itertools.count():
            await asyncio.sleep(max(0.0, begun + index * FRAME_S - now()))
            self.peer.send_audio(self._silence if self._words.empty() else self._words.get_nowait())
            if index % 50 == 49:
                self.peer.send_report()


async def said(mouth: Mouth, joined: websockets.ClientConnection, name: str) -> dict[str, Any]:
    """Send a recording in real time; what the server understood, and the sound it kept.

    Commands go over the WebSocket, which loses nothing: only sound is judged here.
    """

    async def asked(kind: str, answer: str, **members: str) -> dict[str, Any]:
        await joined.send(json.dumps({"type": kind, **members}))
        return await until(answer)

    async def until(kind: str) -> dict[str, Any]:
        while (event := json.loads(await joined.recv()))["type"] != kind:
            pass
        return event  # type: ignore[no-any-return]

    await asked("input_audio_buffer.clear", "input_audio_buffer.cleared")
    await mouth.says(recording(name))
    item = (await asked("input_audio_buffer.commit", "input_audio_buffer.committed"))["item_id"]
    transcript = (await until("conversation.item.input_audio_transcription.completed"))["transcript"]
    kept = await asked("conversation.item.retrieve", "conversation.item.retrieved", item_id=item)
    return {"name": name, "transcript": transcript, "audio": kept["item"]["content"][0]["audio"]}


async def listened(peer: LightPeer, sentence: str) -> dict[str, Any]:
    """Have a sentence said; the packets of the call meanwhile."""
    received: dict[int, bytes] = {}
    order: list[int] = []

    def take(packet: bytes) -> None:
        sequence = int.from_bytes(packet[2:4], "big")
        order.append(sequence)
        received[(sequence - order[0] + 0x8000) & 0xFFFF] = packet[12:]

    peer.send("session.update", session={"type": "realtime", "instructions": f'Answer with exactly: "{sentence}"'})
    await peer.until("session.updated")
    content = [{"type": "input_text", "text": "Please."}]
    peer.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
    peer.on_media = take
    peer.send("response.create")
    await peer.until("output_audio_buffer.stopped")
    await asyncio.sleep(0.5)
    peer.on_media = lambda _packet: None  # reports go on
    packets = {str(distance): base64.b64encode(payload).decode() for distance, payload in received.items()}
    return {"sentence": sentence, "packets": packets}


def encoded(samples: Samples) -> list[bytes]:
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = 24_000, "mono", "s16", 32_000
    encoder.options = {"application": "voip", "fec": "1", "packet_loss": "10"}
    packets = []
    for at in range(0, len(samples) // FRAME * FRAME, FRAME):
        frame = av.AudioFrame.from_ndarray(samples[None, at : at + FRAME], format="s16", layout="mono")
        frame.sample_rate, frame.pts = 24_000, at
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets


def recording(name: str) -> Samples:
    with wave.open(str(SPEECH / name)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        resampler = Resampler(file.getframerate(), 24_000, aligned=True)
    return np.concatenate([resampler.push(samples), resampler.flush()])


# --- judging ---


def played(packets: dict[str, str]) -> Samples:
    """What the caller's decoder makes of what came, with correction and concealment for what did not."""
    payloads = {int(distance): base64.b64decode(payload) for distance, payload in packets.items()}
    ears, sound = OpusDecoder(), []
    for distance in range(min(payloads), max(payloads) + 1):
        following = payloads.get(distance + 1)
        if distance in payloads:
            sound.append(ears.decode(payloads[distance]))
        elif following is not None and ears.corrects(following):
            sound.append(ears.recover(following, FRAME))
        else:
            sound.append(ears.conceal(FRAME))
    return np.concatenate(sound)


def score(reference: Samples, degraded: Samples) -> float:
    """Wide-band PESQ (ITU-T P.862.2): 1.0 bad to 4.6 the same."""
    narrow = [Resampler(24_000, 16_000).push(samples) for samples in (reference, degraded)]
    return float(pesq.pesq(16_000, *narrow, "wb"))


def words(said: Sequence[str], heard: Sequence[str]) -> float:
    normal = EnglishTextNormalizer()
    return float(jiwer.wer([normal(text) for text in said], [normal(text) for text in heard]))


@dataclass(frozen=True)
class Row:
    line: Link
    lost: float
    up_words: float
    up_score: float
    down_words: float
    down_score: float

    def __str__(self) -> str:
        line = self.line
        return (
            f"| {line.loss * 100:.0f} % | {line.delay_s * 1000:.0f} ms | {line.jitter_s * 1000:.0f} ms "
            f"| {self.up_words * 100:.1f} % | {self.up_score:.2f} "
            f"| {self.down_words * 100:.1f} % | {self.down_score:.2f} |"
        )


def judged(line: Link, lost: float, result: dict[str, Any], clean: dict[str, Any]) -> Row:
    recogniser = load_tiny()
    spoken = [played(one["packets"]) for one in result["down"]]
    undisturbed = [played(one["packets"]) for one in clean["down"]]
    understood = [recogniser.recognise(sound, None, None).text for sound in spoken]
    heard = [np.frombuffer(base64.b64decode(one["audio"]), np.int16) for one in result["up"]]
    return Row(
        line,
        lost,
        words([TRANSCRIPTS[one["name"]] for one in result["up"]], [one["transcript"] for one in result["up"]]),
        statistics.mean(score(recording(one["name"]), sound) for one, sound in zip(result["up"], heard, strict=True)),
        words(SENTENCES, understood),
        statistics.mean(score(good, sound) for good, sound in zip(undisturbed, spoken, strict=True)),
    )


# --- the run ---


@contextmanager
def server_in(link: NamespaceLink) -> Iterator[str]:
    """Where the caller reaches it."""
    with tempfile.TemporaryDirectory() as home:
        serve = (sys.executable, "-m", "voicebridge", "serve", "--host", link.addresses["server"], "--port", str(PORT))
        process = subprocess.Popen(
            link.command("server", *serve, "--api-key", KEY),
            env={**os.environ, "XDG_RUNTIME_DIR": home},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        url = f"{link.addresses['server']}:{PORT}"
        try:
            subprocess.run(link.command("client", sys.executable, "-c", WAIT.format(url)), check=True, timeout=60)
            yield url
        finally:
            process.terminate()
            process.wait()


WAIT = """
import time, urllib.request
while True:
    try:
        urllib.request.urlopen("http://{}/readyz"); break
    except OSError:
        time.sleep(0.2)
"""


def over(line: Link) -> tuple[dict[str, Any], float]:
    """The results of one call, and the share of media that was lost."""
    with tempfile.NamedTemporaryFile() as result, NamespaceLink(up=line, down=line, seed=7) as link:
        with server_in(link) as url:
            program = (sys.executable, "-m", "benchmarks.webrtc_loss", "caller", url, result.name)
            subprocess.run(link.command("client", *program), check=True, timeout=300)
        tallies = [link.tally("client"), link.tally("server")]
        lost = sum(tally.lost for tally in tallies) / sum(tally.lost + tally.passed for tally in tallies)
        return json.loads(Path(result.name).read_text(encoding="utf-8")), lost


def main(rows: Sequence[int]) -> None:
    print("| loss | delay | jitter | up: words wrong | up: PESQ | down: words wrong | down: PESQ |")
    print("|---|---|---|---|---|---|---|", flush=True)
    clean, _ = over(LINES[0])
    for index in rows or range(len(LINES)):
        result, lost = over(LINES[index]) if index else (clean, 0.0)
        print(judged(LINES[index], lost, result, clean), f" {lost * 100:.1f} % lost", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["caller"]:
        Path(sys.argv[3]).write_text(json.dumps(asyncio.run(caller(sys.argv[2]))), encoding="utf-8")
    else:
        main([int(argument) for argument in sys.argv[1:]])
