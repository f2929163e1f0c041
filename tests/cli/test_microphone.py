from __future__ import annotations

import numpy as np

from voicebridge.cli.microphone import Loudspeaker


def test_the_loudspeaker_plays_in_order_and_silence_when_it_has_nothing() -> None:
    speaker = Loudspeaker()
    speaker.play(np.array([1, 2, 3], np.int16))
    speaker.play(np.array([4], np.int16))
    assert speaker.take(2).tolist() == [1, 2]
    assert speaker.take(4).tolist() == [3, 4, 0, 0]
    assert speaker.take(1).tolist() == [0]


def test_who_speaks_silences_it() -> None:
    speaker = Loudspeaker()
    speaker.play(np.ones(100, np.int16))
    speaker.stop()
    assert not speaker.take(100).any()
