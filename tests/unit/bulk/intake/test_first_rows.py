"""`first_rows`: the first row of each thing is remembered in little memory."""

from xoxo_async.bulk.intake.first_rows import FirstRows


def test_the_first_row_of_each_thing_is_remembered() -> None:
    """The table grows with the number of things, and loses none of them."""
    seen = FirstRows()
    for number in range(5000):
        assert seen.first(f"key {number}", number + 1) == number + 1
    assert all(seen.first(f"key {number}", 9999) == number + 1 for number in range(5000))
    assert seen.first(0, 7) == seen.first(0, 8) == 7
