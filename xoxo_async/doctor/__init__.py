"""Examine a set-up: settings, server, clock, token, account, limits, a ledger's place, versions. Moves no money.

`xoxo doctor` prints what `examine` finds. The proof of a poNumber (`prove_po`) places orders, at a sandbox or at
staging alone.
"""

from xoxo_async.doctor.examining import Proving, examine
from xoxo_async.doctor.findings import Diagnosis, Finding
from xoxo_async.doctor.proving import PoProof, SmallOrder, prove_po

__all__ = ["Diagnosis", "Finding", "PoProof", "Proving", "SmallOrder", "examine", "prove_po"]
