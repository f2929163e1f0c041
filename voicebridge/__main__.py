"""`python -m voicebridge`."""

from __future__ import annotations

import sys

from voicebridge.cli import main

if __name__ == "__main__":
    sys.exit(main())
