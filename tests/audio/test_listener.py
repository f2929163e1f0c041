from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.audio.encoding import PCM16_24K, PCMU, AudioEncoding
from voicebridge.audio.listener import Listener
from voicebridge.audio.samples import Samples
from voicebridge.audio.vad import VAD_WINDOW, EnergyDetector


class FirstSample:
    """A detector that tells which window it was shown: its first sample, a count of windows, over 1,000."""

    def __init__(self) -> None:
        self.resets = 0

    def probability(self, window: Samples) -> float:
        assert len(window) == VAD_WINDOW
        assert window[0] == window[-1]
        return int(window[0]) / 1_000

    def reset(self) -> None:
        self.resets += 1


def numbered(windows: int) -> Samples:
    """Samples that each hold the number of their window."""
    return np.repeat(np.arange(windows, dtype=np.int16), VAD_WINDOW)


def split(samples: Samples, cuts: list[int]) -> list[Samples]:
    return np.split(samples, sorted(min(cut, len(samples)) for cut in cuts))


CUTS = st.lists(st.integers(0, 8 * VAD_WINDOW), max_size=25)


@given(CUTS)
def test_every_window_of_the_grid_is_judged_once_whatever_the_chunking(cuts: list[int]) -> None:
    listener = Listener(PCM16_24K, FirstSample())
    chunks = split(numbered(8), cuts)
    heard = [listener.append(chunk.tobytes()) for chunk in chunks]
    assert [p for h in heard for p in h.speech] == [k / 1_000 for k in range(8)]
    assert np.concatenate([h.samples for h in heard]).tolist() == numbered(8).tolist()
    assert listener.position == 8 * VAD_WINDOW


@given(CUTS)
def test_a_window_is_reported_with_the_samples_that_complete_it(cuts: list[int]) -> None:
    listener = Listener(PCM16_24K, FirstSample())
    reported = 0
    for chunk in split(numbered(8), cuts):
        reported += len(listener.hear(chunk).speech)
        assert reported == listener.position // VAD_WINDOW


@given(st.integers(0, 3 * VAD_WINDOW), st.integers(0, 3 * VAD_WINDOW))
def test_detection_turned_on_later_begins_with_the_next_whole_window(off: int, then: int) -> None:
    listener = Listener(PCM16_24K, FirstSample(), detect=False)
    samples = numbered(8)
    assert listener.hear(samples[:off]).speech == ()
    listener.configure(PCM16_24K, detect=True)
    heard = [*listener.hear(samples[off : off + then]).speech, *listener.hear(samples[off + then :]).speech]
    assert heard == [k / 1_000 for k in range(-(-off // VAD_WINDOW), 8)]


def test_without_detection_samples_come_but_no_probabilities() -> None:
    listener = Listener(PCM16_24K, FirstSample(), detect=True)
    listener.hear(numbered(1)[:500])
    listener.configure(PCM16_24K, detect=False)
    heard = listener.hear(numbered(3))
    assert heard.speech == ()
    assert len(heard.samples) == 3 * VAD_WINDOW


def test_the_same_configuration_again_changes_nothing() -> None:
    narrow = AudioEncoding("pcm16", 8_000)
    wire = np.arange(1_001, dtype=np.int16).tobytes()
    undisturbed, configured = Listener(narrow, EnergyDetector()), Listener(narrow, EnergyDetector())
    whole = undisturbed.append(wire)
    first = configured.append(wire[:777])
    configured.configure(narrow, detect=True)
    rest = configured.append(wire[777:])
    assert [*first.samples.tolist(), *rest.samples.tolist()] == whole.samples.tolist()
    assert first.speech + rest.speech == whole.speech


def test_a_new_encoding_counts_on_from_the_same_position() -> None:
    listener = Listener(PCM16_24K, FirstSample())
    listener.append(bytes(2 * 500))
    listener.configure(PCMU, detect=True)
    heard = listener.append(b"\xff" * 160)
    assert len(heard.samples) == 480
    assert listener.position == 980
    assert heard.speech == (0.0,)


def test_a_reset_forgets_the_context_and_keeps_the_grid() -> None:
    detector = FirstSample()
    listener = Listener(PCM16_24K, detector)
    listener.hear(numbered(3)[:1_000])
    listener.reset()
    assert detector.resets == 1
    assert listener.hear(numbered(3)[1_000:]).speech == (0.001, 0.002)


@pytest.mark.parametrize("encoding", [PCM16_24K, PCMU])
def test_nothing_appended_is_nothing_heard(encoding: AudioEncoding) -> None:
    heard = Listener(encoding, FirstSample()).append(b"")
    assert len(heard.samples) == 0
    assert heard.speech == ()


@given(CUTS)
async def test_live_sound_gives_the_same_and_only_what_completes_one_window_waits(cuts: list[int]) -> None:
    waited: list[Samples] = []

    async def soon(window: Samples) -> float:
        waited.append(window)
        return FirstSample().probability(window)

    listener, at_once = Listener(PCM16_24K, FirstSample(), soon=soon), Listener(PCM16_24K, FirstSample())
    alone = 0
    for chunk in split(numbered(8), cuts):
        live, same = await listener.append_live(chunk.tobytes()), at_once.append(chunk.tobytes())
        assert live.speech == same.speech
        assert live.samples.tolist() == same.samples.tolist()
        alone += len(same.speech) == 1
    assert len(waited) == alone
