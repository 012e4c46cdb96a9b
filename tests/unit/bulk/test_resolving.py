"""`resolving`: a person's word about a line becomes a fact for the ledger, is checked, and names who said it."""

import pytest

from xoxo_async.bulk.ledger import Delivery, Evidence, LedgerLine, LineState
from xoxo_async.bulk.resolving import Decision

BODY = '{"productId":1001,"quantity":2,"denomination":100,"poNumber":"PO-1"}'


def line(state: LineState) -> LedgerLine:
    return LedgerLine(seq=7, key="k", po_number="PO-1", digest="d", body=BODY, row=1, epoch=4, state=state)


def test_sending_again_and_rejecting_are_a_persons_word() -> None:
    """About the line as it was looked at: a later epoch is another line."""
    again = Decision(resend=True, reason="asked the vendor").change(line(LineState.MANUAL))
    assert (again.seq, again.epoch, again.evidence) == (7, 4, Evidence.PERSON_RESEND)
    assert (again.order_id, again.reason) == (None, "asked the vendor")
    assert Decision(reason="lost").change(line(LineState.MANUAL)).evidence is Evidence.PERSON_REJECTED


@pytest.mark.parametrize(
    ("state", "evidence"),
    [
        (LineState.MANUAL, Evidence.PERSON_PLACED),
        (LineState.UNKNOWN, Evidence.LATE_PROOF),
        (LineState.REJECTED, Evidence.LATE_PROOF),
    ],
)
def test_an_order_id_is_proof_in_any_state(state: LineState, evidence: Evidence) -> None:
    """Its codes are still to come: the next resume fetches them."""
    change = Decision(placed=900).change(line(state))
    assert (change.evidence, change.order_id, change.delivery) == (evidence, 900, Delivery.PENDING)


def test_a_decision_without_a_reason_names_who_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as that can be told."""
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    assert Decision(resend=True, reason=" ").change(line(LineState.MANUAL)).reason == "decided by ada"

    def nobody() -> str:
        raise OSError

    monkeypatch.setattr("getpass.getuser", nobody)
    assert Decision(resend=True).change(line(LineState.MANUAL)).reason == "decided by a person"
