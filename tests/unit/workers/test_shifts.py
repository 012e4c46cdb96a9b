"""`shifts`: the settings of a worker's shifts are arguments of `run_shift`."""

from inspect import Parameter, signature

import msgspec
import pytest

from xoxo_async.bulk import run_shift
from xoxo_async.workers.shifts import ShiftRunner, ShiftSettings


@pytest.mark.parametrize("field", msgspec.structs.fields(ShiftSettings), ids=lambda field: field.name)
def test_each_setting_is_an_argument_of_run_shift(field: msgspec.structs.FieldInfo) -> None:
    """With the same default: a worker works as a queue of one's own does."""
    assert signature(run_shift).parameters[field.name].default == field.default


def test_a_worker_gives_run_shift_what_it_takes() -> None:
    """All but its clock."""
    taken = {name for name, argument in signature(run_shift).parameters.items() if argument.default != Parameter.empty}
    given = signature(ShiftRunner.__call__).parameters.keys() - {"self", "client", "ledger"}
    assert given == taken - {"clock"}
