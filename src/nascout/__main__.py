"""``python -m nascout``."""

from __future__ import annotations

from nascout.cli.app import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
