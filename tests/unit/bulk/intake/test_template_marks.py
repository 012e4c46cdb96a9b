"""What a template writes, and readers know again."""

import pytest

from xoxo_async.bulk.intake.template_marks import EXAMPLE_KEY, is_example, label, without_label


@pytest.mark.parametrize("key", [EXAMPLE_KEY, f" {EXAMPLE_KEY.lower()} "])
def test_the_example_is_known_by_its_key(key: str) -> None:
    """A program may have changed its case."""
    assert is_example(key)
    assert not is_example("EXAMPLE")
    assert not is_example(None)


def test_a_label_gives_its_product() -> None:
    """Only the number before the dot counts; another text stays, and is refused as no number."""
    assert without_label(label(1001, "Shop · 24")) == "1001"
    assert [without_label(text) for text in ("1001", "Shop · 24", "1e3 · Shop")] == ["1001", "Shop · 24", "1e3 · Shop"]
