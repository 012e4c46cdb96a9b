"""`links`: calls that are never repeated, and campaigns in pages, with a fake dispatcher."""

from datetime import date
from typing import Any

import pytest

from xoxo_async.errors import ConfigError, NotFoundError
from xoxo_async.operation import EffectClass
from xoxo_async.services import links
from xoxo_async.services.links import Campaign, LinkService
from xoxo_async.wire import RawReply
from xoxo_async.wire.untyped import Rows

pytestmark = pytest.mark.anyio

DAY = date(2027, 12, 31)


def test_links_are_never_made_twice_by_themselves() -> None:
    """Making and mailing links are unkeyed operations, and the campaigns are reads."""
    assert links.GENERATE_LINKS.effect is links.SEND_LINKS.effect is EffectClass.UNKEYED
    assert links.LIST_CAMPAIGNS.effect is links.GET_CAMPAIGN.effect is EffectClass.READ


async def test_campaigns_are_paged_by_offset(road: Any) -> None:
    """The caller gives page numbers, and the wire has offsets."""
    road.answers = [(Campaign(campaign_id=1), Campaign(campaign_id=2)), (Campaign(campaign_id=3),)]
    found = [campaign.campaign_id async for campaign in LinkService(road).iterate_campaigns(limit=2)]
    assert found == [1, 2, 3]
    assert [(request.offset, request.limit) for _, request in road.asked] == [(0, 2), (2, 2)]


async def test_switched_off_campaigns_can_be_listed(road: Any) -> None:
    """`enabled` is 1 or 0."""
    road.answers = [(), ()]
    await LinkService(road).list_campaigns()
    await LinkService(road).list_campaigns(enabled=False)
    assert [request.enabled for _, request in road.asked] == [1, 0]


async def test_another_campaign_is_not_the_one(road: Any) -> None:
    """`get_campaign` returns the campaign with the requested id alone."""
    road.answers = [(Campaign(campaign_id=1), Campaign(campaign_id=7)), (Campaign(campaign_id=1),), ()]
    service = LinkService(road)
    rows = road.answers[0] = Rows(road.answers[0])
    rows.raw = RawReply(b"{}")
    found = await service.get_campaign(7)
    assert (found.campaign_id, found.raw) == (7, rows.raw)
    for _ in range(2):
        with pytest.raises(NotFoundError, match="no campaign 7"):
            await service.get_campaign(7)


@pytest.mark.parametrize(
    "wrong",
    [{"campaign_id": 0}, {"quantity": 0}, {"quantity": 1.0}, {"expires_on": "31-12-2027"}, {"expires_on": None}],
)
async def test_wrong_batches_are_not_made(road: Any, wrong: dict[str, Any]) -> None:
    """Each wrong argument is refused before anything is sent."""
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        await LinkService(road).generate(**{"campaign_id": 7, "quantity": 1, "expires_on": DAY, **wrong})
    assert road.asked == []


@pytest.mark.parametrize(
    "emails",
    [
        [],
        "a@b.example",
        ["a@b.example", "x"],
        ["a@b.example,c@d.example"],
        ["a@b.example", "A@B.example"],
        ["jos\u00e9@b.example", "jose\u0301@b.example"],  # the same letter in one character and in two
        [None],
        [""],
    ],
)
async def test_wrong_addresses_are_not_mailed(road: Any, emails: Any) -> None:
    """The wire has one comma string of addresses, so an address with a comma would be two."""
    with pytest.raises(ConfigError, match="emails"):
        await LinkService(road).send(campaign_id=7, emails=emails, expires_on=DAY)
    assert road.asked == []
