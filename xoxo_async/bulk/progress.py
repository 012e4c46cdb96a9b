"""What a run has done so far, for a display to read."""

import msgspec

__all__ = ["Progress"]


class Progress(msgspec.Struct):
    """What the run at hand has done so far; read by a progress display, never decided on.

    Attributes:
        placed: Order lines this run placed, or found placed.
        rejected: Rows refused for certain.
        in_doubt: Rows that ended without proof.
        in_flight: Requests under way.
        phase: What is going on, in a word.
    """

    placed: int = 0
    rejected: int = 0
    in_doubt: int = 0
    in_flight: int = 0
    phase: str = "planning"
