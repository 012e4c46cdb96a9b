"""`link_sending`: rows become calls of their campaign, and an answer proves what each row got."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine
from xoxo_async.bulk.ledger.vouchers import codes_of
from xoxo_async.bulk.unkeyed.link_sending import LinkBody, LinkSending, MailSending
from xoxo_async.errors import ConfigError, NotFoundError
from xoxo_async.services.links import Campaign, LinkBatch, LinksSent

DAY = date(2027, 12, 31)
LINK = "https://claim.example.com/{}"


def refuse(column: str, error: ConfigError) -> None:
    raise AssertionError(f"{column}: {error.message}")


def line(seq: int, quantity: int = 1, *, campaign: int = 7001, day: date = DAY, email: str | None = None) -> LedgerLine:
    body = LinkBody(product_id=campaign, quantity=quantity, email=email, expires=day)
    return LedgerLine(seq, f"k{seq}", f"links:k{seq}", "", msgspec.json.encode(body).decode(), seq, epoch=3)


def batch(*numbers: int | str, **given: Any) -> LinkBatch:
    links = [LINK.format(number) if isinstance(number, int) else number for number in numbers]
    answer = {"success": 1, "links": links, "campaignId": "7001", "batchId": "batch_1", **given}
    return msgspec.convert(answer, LinkBatch, strict=False, dec_hook=lambda kind, value: kind(value))


def told(changes: Sequence[Change]) -> list[tuple[Evidence, list[str]]]:
    return [(one.evidence, [code.code for code in codes_of(one.codes)]) for one in changes]


def links(*numbers: int) -> list[str]:
    return [LINK.format(number) for number in numbers]


@pytest.mark.parametrize(("fields", "quantity"), [({}, 1), ({"quantity": 3}, 3), ({"quantity": 100_000}, 100_000)])
def test_a_row_of_links_has_a_quantity(fields: dict[str, object], quantity: int) -> None:
    """The campaign and the expiry are a part of what the ledger keeps of the row."""
    body = LinkSending(7001, DAY).body(fields, refuse)
    assert body == LinkBody(product_id=7001, quantity=quantity, expires=DAY)


@pytest.mark.parametrize("quantity", [0, -1, "3", 1.0, None, True, 100_001])
def test_a_wrong_quantity_is_named(quantity: object) -> None:
    """Nothing is planned of it."""
    found: list[tuple[str, str]] = []
    assert LinkSending(7001, DAY).body({"quantity": quantity}, lambda name, e: found.append((name, e.message))) is None
    assert [name for name, _ in found] == ["quantity"]


@pytest.mark.parametrize("email", [None, "", "jane", "a@b.example,c@d.example", "a@b.example c@d.example", 7])
def test_an_address_must_be_one_address(email: object) -> None:
    """The wire has addresses in one text with commas, so a comma would be a second receiver."""
    found: list[str] = []
    assert MailSending(7001, DAY).body({"email": email}, lambda name, _e: found.append(name)) is None
    assert found == ["email"]


@pytest.mark.parametrize("other", ["jane@B\u00fccher.EXAMPLE", "jane@xn--bcher-kva.example"])
def test_one_person_is_one_address_however_written(other: str) -> None:
    """Two mails to one address are one person; two rows of links are not the same."""
    mails, made = MailSending(7001, DAY), LinkSending(7001, DAY)
    one, two = (mails.body({"email": email}, refuse) for email in ("Jane@b\u00fccher.example", other))
    assert one is not None
    assert two is not None
    assert mails.persons(one) == mails.persons(two) != ()
    assert made.persons(LinkBody(expires=DAY)) == ()
    assert (mails.kind, made.kind) == (JobKind.LINK_MAILS, JobKind.LINKS)


@pytest.mark.parametrize("campaign", [0, "7001", True])
def test_a_wrong_campaign_is_refused(campaign: Any) -> None:
    """It is an argument of the job, not of a row."""
    with pytest.raises(ConfigError, match="campaign_id"):
        LinkSending(campaign, DAY)


def test_a_day_that_is_over_is_refused() -> None:
    """The vendor would refuse every row for good; today may still be the day somewhere."""
    today = datetime.now(UTC).date()
    for day in (today, today + timedelta(days=1)):
        LinkSending(7001, day)
    with pytest.raises(ConfigError, match="expires_on is over"):
        LinkSending(7001, today - timedelta(days=2))


def test_campaign_and_expiry_come_together() -> None:
    """Without both, a job only resumes; a row cannot be planned."""
    for given in ((7001, None), (None, DAY)):
        with pytest.raises(ConfigError, match="together"):
            MailSending(*given)
    with pytest.raises(ConfigError, match="only resumes"):
        LinkSending(None, None).body({}, refuse)


class Campaigns:
    """A client that knows one campaign."""

    def __init__(self) -> None:
        self.links = self
        self.asked = 0

    async def get_campaign(self, campaign_id: int) -> Campaign:
        self.asked += 1
        if campaign_id != 7001:
            raise NotFoundError("no such campaign")
        return Campaign(campaign_id=7001, denomination_value=Decimal("12.5"), currency_code_="INR")


@pytest.mark.anyio
async def test_worth_is_the_value_of_all_links() -> None:
    """It is not known as long as nobody has asked, and is asked for once."""
    sending, client = LinkSending(7001, DAY), Campaigns()
    body = LinkBody(product_id=7001, quantity=3, expires=DAY)
    assert (sending.worth(body), sending.unit) == (None, "")
    for _ in range(2):
        await sending.ask(client, "")  # type: ignore[arg-type]
    assert (sending.worth(body), sending.unit, client.asked) == (Decimal("37.5"), "INR", 1)


@pytest.mark.anyio
async def test_a_job_that_plans_nothing_asks_nothing() -> None:
    """Its unit is the one that the ledger keeps; an unknown campaign is named."""
    sending, client = MailSending(None, None), Campaigns()
    await sending.ask(client, "EUR")  # type: ignore[arg-type]
    assert (sending.unit, client.asked) == ("EUR", 0)
    with pytest.raises(ConfigError, match="there is no campaign 7; nothing was sent"):
        await LinkSending(7, DAY).ask(client, "")  # type: ignore[arg-type]


def test_rows_of_one_campaign_share_a_call() -> None:
    """A resumed job may have rows of an earlier expiry."""
    fit = LinkSending(None, None).fit
    assert fit(line(1), line(2, 5))
    assert not fit(line(1), line(2, campaign=7002))
    assert not fit(line(1), line(2, day=date(2028, 1, 1)))


def test_a_call_asks_for_all_links() -> None:
    """The date is written as the vendor's pages show it."""
    request = LinkSending(None, None).request([line(1, 2), line(2), line(3, 4)])
    assert msgspec.to_builtins(request) == {"campaignId": 7001, "links_quantity": 7, "link_expiry": "31-12-2027"}
    mails = MailSending(None, None).request([line(1, email="a@b.example"), line(2, email="c@d.example")])
    assert msgspec.to_builtins(mails) == {
        "campaignId": 7001,
        "email_ids": "a@b.example,c@d.example",
        "link_expiry": "31-12-2027",
    }


def test_links_are_dealt_in_order() -> None:
    """Each row gets its own, and is delivered; the journal has the vendor's batch and the value."""
    answer = batch(1, 2, 3, denomination_value=10, currencyCode="USD")
    changes = LinkSending(None, None).changes([line(1, 2), line(2)], answer)
    assert told(changes) == [(Evidence.ANSWERED_DONE, links(1, 2)), (Evidence.ANSWERED_DONE, links(3))]
    assert [(one.seq, one.epoch, one.delivery, one.held) for one in changes] == [
        (1, 3, Delivery.DELIVERED, 2),
        (2, 3, Delivery.DELIVERED, 1),
    ]
    assert [(one.amount_charged, one.currency, one.reason, one.error) for one in changes] == [
        (Decimal(20), "USD", "batch batch_1", ""),
        (Decimal(10), "USD", "batch batch_1", ""),
    ]


def test_a_short_answer_fills_rows_in_order() -> None:
    """A row with fewer links keeps them and is an alarm; a row with none is in doubt, and named with the batch."""
    first, second, third = LinkSending(None, None).changes([line(1, 2), line(2, 2), line(3)], batch(1, 2, 3))
    assert told([first, second, third]) == [
        (Evidence.ANSWERED_DONE, links(1, 2)),
        (Evidence.ANSWERED_DONE, links(3)),
        (Evidence.OUTCOME_LOST, []),
    ]
    assert (first.error, second.delivery, second.held) == ("", Delivery.PENDING, 1)
    assert second.error == "1 of 2 links (batch batch_1): no call gives the others"
    assert third.error == "the answer (batch batch_1) has 3 of 5 links, and none for this row"


def test_links_that_nobody_asked_for_are_an_alarm() -> None:
    """Every row has its own; those beyond are in no row, and the last one names their batch."""
    first, second = LinkSending(None, None).changes([line(1), line(2)], batch(1, 2, 3, 4, batchId=None))
    assert told([first, second]) == [(Evidence.ANSWERED_DONE, links(1)), (Evidence.ANSWERED_DONE, links(2))]
    assert first.error == ""
    assert second.error == "2 links more than were asked for (of a batch without an id): they are in no row"


@pytest.mark.parametrize("answer", [(), ("", "  "), ("https://claim.example.com/****",)])
def test_a_success_without_links_is_doubt(answer: tuple[str, ...]) -> None:
    """A blank or masked link is none, and nothing can fetch it."""
    (change,) = LinkSending(None, None).changes([line(1)], batch(*answer))
    assert (change.evidence, change.codes) == (Evidence.OUTCOME_LOST, None)


def test_a_link_that_comes_twice_is_one_link() -> None:
    """Otherwise two people would be given the same cash."""
    changes = LinkSending(None, None).changes([line(1), line(2)], batch(1, 1, 2))
    assert told(changes) == [(Evidence.ANSWERED_DONE, links(1)), (Evidence.ANSWERED_DONE, links(2))]
    changes = LinkSending(None, None).changes([line(1), line(2)], batch(1, 1))
    assert told(changes) == [(Evidence.ANSWERED_DONE, links(1)), (Evidence.OUTCOME_LOST, [])]


@pytest.mark.parametrize(("answered", "evidence"), [("7001", Evidence.ANSWERED_DONE), ("7002", Evidence.OUTCOME_LOST)])
@pytest.mark.parametrize("mails", [False, True])
def test_an_answer_of_another_campaign_proves_nothing(answered: str, evidence: Evidence, mails: bool) -> None:
    """It is the answer to another request."""
    change: Callable[..., list[Change]] = (MailSending if mails else LinkSending)(None, None).changes
    reply = LinksSent(success=1, campaign_id=int(answered)) if mails else batch(1, 2, campaignId=answered)
    assert [one.evidence for one in change([line(1), line(2)], reply)] == [evidence] * 2


def test_a_confirmed_mail_has_no_link() -> None:
    """The vendor's answer has neither the links nor an id."""
    (change,) = MailSending(None, None).changes([line(1, email="a@b.example")], LinksSent(success=1))
    assert (change.evidence, change.delivery, change.order_id, change.codes) == (
        Evidence.ANSWERED_DONE,
        Delivery.DELIVERED,
        None,
        None,
    )


def test_no_change_shows_a_link() -> None:
    """A link is cash: neither errors nor reprs have one."""
    changes = LinkSending(None, None).changes([line(1, 2), line(2)], batch(1))
    assert not any("claim.example" in text for one in changes for text in (repr(one), one.error, one.reason))
