"""Break the transition table in every small way, and show that a test notices each: `make mutants`.

A mutant is `table.py` with one change: a row or a guard dropped, another target, a flag turned, a comparison, a
constant or an operator replaced, a statement left out. Each mutant runs in a process of its own: first against the
tests of the table, which take a fifth of a second, then against the exhaustive search of the model. A mutant that
passes both survives: a test is missing, or the change makes no difference. Changes that make no difference stand in
`EQUIVALENT`, each with its reason.

No mutation testing library is used. mutmut 3 changes bodies of functions only, and the table is data of its module.
cosmic-ray starts Python anew for each mutant, which takes half an hour.
"""

import ast
import importlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.bulk.ledger.table import TRANSITIONS

ROOT: Final = Path(__file__).resolve().parents[1]
MODULE: Final = "xoxo_async.bulk.ledger.table"
SOURCE: Final = ROOT / "xoxo_async/bulk/ledger/table.py"
TESTS: Final = ROOT / "tests/unit/bulk/ledger"
STAGES: Final = (("test_table.py",), ("test_model.py", "test_model_second.py", "test_model_unkeyed.py"))
LIMIT_S: Final = 300
"""A mutant that runs longer counts as noticed: the search of a broken table may never end."""

EQUIVALENT: Final[dict[str, str]] = {
    "_fixed_by: if state is LineState.PLACED => True": ("a line that is not placed has no order to forget"),
    "_knows_no_order: drop return line.order_id is None and line.delivery is _NO_DELIVERY and (line.amou...": (
        "an order is forgotten that is not there: slower, and the same"
    ),
    "_knows_no_order: always False": ("an order is forgotten that is not there: slower, and the same"),
    (
        "_knows_no_order: drop line.order_id is None of line.order_id is None and line.delivery is "
        "_NO_DELIVERY and (line.amount_char..."
    ): ("each proof of a placed line names its order"),
    (
        "_knows_no_order: drop line.amount_charged is None of line.order_id is None and line.delivery is "
        "_NO_DELIVERY and (line.amount_char..."
    ): ("no charge is taken over from what is known"),
    "_knows_no_order: line.order_id is None with IsNot": "a line with an order has a delivery, too",
    "_knows_no_order: line.amount_charged is None with IsNot": "a line with a charge has a delivery, too",
    "_after: drop _knows_no_order(line) of row.target is None or _knows_no_order(line)": (
        "an order is forgotten that is not there: slower, and the same"
    ),
    "_last_byte: drop return None": "a function that ends without a return gives None",
    "_add_order: change.held > line.held with GtE": "as many codes as before are as many",
    "decide: change.epoch < line.epoch with LtE": "equal epochs do not come here",
    "decide: if table is TRANSITIONS => False": "the rows of the table are found anew each time: slower, and the same",
    "T5 REFUSED_NO_ORDER UNKNOWN if (unkeyed,): True => False": "the row above takes every line that is not suspect",
    "T5 REFUSED_NO_ORDER CONFLICT: True => False": "the row above takes every line that is not suspect",
    "T5 REFUSED_UNCLEAR CONFLICT: True => False": "the row above takes every line that is not suspect",
    "T13 PERSON_RESEND PLANNED if _CORRECTABLE: also from MANUAL": "the row above takes every such line",
    "T13 PERSON_REJECTED REJECTED if _CORRECTABLE: also from MANUAL": "the row above takes every such line",
    "T8 LOOKUP_MATCHED MANUAL if (keyed, names_order): foreign => True": (
        "the row above takes every line that is not foreign"
    ),
}
"""Changes that make no difference, as they are printed, and why they make none."""

FLAGS: Final = ("suspect", "counts", "foreign")
COMPARED: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
SWAPPED: Final = {"max": "min", "min": "max", "all": "any", "any": "all"}

Change = tuple[str, Callable[[], None]]
"""What a change is, in words and code, and what makes it in the tree it was found in."""


class Mutant(NamedTuple):
    """The module with one change.

    Attributes:
        line: Where, in the file.
        name: Which function or row, and what is changed.
        place: Which of `places` is changed.
        number: Which of its `changes`.
    """

    line: int
    name: str
    place: int
    number: int

    def code(self) -> str:
        """Return the changed module."""
        tree = ast.parse(SOURCE.read_text())
        _, node = list(places(tree, "module"))[self.place]
        list(changes(node))[self.number][1]()
        return ast.unparse(ast.fix_missing_locations(tree))


def mutants(source: str) -> Iterator[Mutant]:
    """Yield every change of the module."""
    for place, (context, node) in enumerate(places(ast.parse(source), "module")):
        for number, (what, _) in enumerate(changes(node)):
            yield Mutant(getattr(node, "lineno", 0), f"{context}: {what}", place, number)


def places(node: ast.AST, context: str) -> Iterator[tuple[str, ast.AST]]:
    """Yield what may be changed, with the function, row or name it belongs to; no annotation, text or import."""
    if isinstance(node, ast.Import | ast.ImportFrom | ast.JoinedStr | ast.expr_context):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        context = node.name
    if isinstance(node, ast.Assign | ast.AnnAssign) and context == "module":
        context = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
        if context in {"__all__", "Guard", "_Rows"}:  # two of them are types
            return
    if is_row(node):
        context = row_name(node)  # type: ignore[arg-type]
    yield context, node
    for name, value in ast.iter_fields(node):
        if isinstance(node, ast.ClassDef) and name == "keywords":
            continue  # how a struct is made: whether it can be changed, and what the garbage collector looks at
        if name not in {"annotation", "returns", "decorator_list", "bases"}:
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from places(child, context)


def is_row(node: ast.AST) -> bool:
    """Return whether a node is a row of the table."""
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "Transition"


def row_name(row: ast.Call) -> str:
    """Return what tells a row from the others: its number, fact, target and guards."""
    number, _, evidence, target, *guards = (ast.unparse(part) for part in row.args)
    name = f"{number.strip(chr(39))} {evidence} {target}" + (f" if {guards[0]}" if guards else "")
    return name.replace("_E.", "").replace("_S.", "")


def changes(node: ast.AST) -> Iterator[Change]:
    """Yield the ways to change a node."""
    for field in ("elts", "values", "args") if not is_row(node) else ():
        yield from dropped(node, field)
    yield from changed_operator(node)
    yield from changed_value(node)
    yield from changed_statement(node)
    if is_row(node):
        yield from changed_row(node)  # type: ignore[arg-type]


def dropped(node: ast.AST, field: str) -> Iterator[Change]:
    """Yield the node without one element, operand, entry or argument."""
    parts = getattr(node, field, None)
    if not isinstance(parts, list) or isinstance(node, ast.arguments):
        return
    if isinstance(node, ast.Call) and ast.unparse(node.func) != "_from":
        return  # a call without its argument only fails
    for at, part in enumerate(parts):
        if isinstance(node, ast.BoolOp | ast.Set | ast.Call) and len(parts) == 1:
            continue

        def drop(at: int = at) -> None:
            del parts[at]
            if isinstance(node, ast.Dict):
                del node.keys[at]
            if isinstance(node, ast.BoolOp) and len(parts) == 1:
                parts.append(parts[0])

        key = f"{ast.unparse(node.keys[at])}: " if isinstance(node, ast.Dict) and node.keys[at] else ""  # type: ignore[arg-type]
        yield f"drop {short(key + ast.unparse(part))} of {short(ast.unparse(node))}", drop


def changed_operator(node: ast.AST) -> Iterator[Change]:
    """Yield other comparisons and operators."""
    before = short(ast.unparse(node)) if isinstance(node, ast.expr) else ""
    if isinstance(node, ast.Compare):
        for other in COMPARED[type(node.ops[0])]:
            yield f"{before} with {other.__name__}", lambda other=other: node.ops.__setitem__(0, other())
    elif isinstance(node, ast.BoolOp):
        swapped = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield f"{before} with {swapped.__name__}", lambda: setattr(node, "op", swapped())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield f"{before} without not", lambda: setattr(node, "operand", ast.UnaryOp(ast.Not(), node.operand))
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub) and "frozenset" not in before:
        signed = ast.Sub if isinstance(node.op, ast.Add) else ast.Add
        yield f"{before} with {signed.__name__}", lambda: setattr(node, "op", signed())
    elif isinstance(node, ast.Name) and node.id in SWAPPED:
        yield f"{node.id} => {SWAPPED[node.id]}", lambda: setattr(node, "id", SWAPPED[node.id])


def changed_value(node: ast.AST) -> Iterator[Change]:
    """Yield other constants, and conditions that always or never hold."""
    if isinstance(node, ast.Constant):
        others: Sequence[object] = ()
        if isinstance(node.value, bool):
            others = (not node.value,)
        elif isinstance(node.value, int | float):
            others = (node.value + 1, node.value - 1)
        elif isinstance(node.value, str):
            others = ("mutant",)
        for other in others:
            yield f"{node.value!r} => {other!r}", lambda other=other: setattr(node, "value", other)
    elif isinstance(node, ast.IfExp | ast.If):
        for always in (True, False):
            yield (
                f"if {short(ast.unparse(node.test))} => {always}",
                lambda always=always: setattr(node, "test", ast.Constant(always)),
            )


def changed_statement(node: ast.AST) -> Iterator[Change]:
    """Yield a function without one of its statements, and a guard that always or never holds."""
    if isinstance(node, ast.FunctionDef | ast.If | ast.For):
        for body in (node.body, getattr(node, "orelse", [])):
            for at, statement in enumerate(body):
                if isinstance(statement, ast.Assign | ast.AugAssign | ast.Return):
                    what = f"drop {short(ast.unparse(statement))}"
                    yield what, lambda body=body, at=at: body.__setitem__(at, ast.Pass())
    if isinstance(node, ast.FunctionDef) and ast.unparse(node.returns or ast.Constant(None)) == "bool":
        for always in (True, False):
            yield f"always {always}", lambda always=always: setattr(node, "body", [ast.Return(ast.Constant(always))])


def changed_row(row: ast.Call) -> Iterator[Change]:
    """Yield other targets, more states, and other flags of a row; its guards are a tuple, see `dropped`."""
    target = ast.unparse(row.args[3])
    for other in (*(f"_S.{state.name}" for state in LineState), "None"):
        if other != target:
            yield f"target {target} => {other}", lambda other=other: row.args.__setitem__(3, expression(other))
    if isinstance(row.args[1], ast.Call):
        sources = row.args[1]
        for state in LineState:
            if (
                f"_S.{state.name}" not in ast.unparse(sources)
                and not is_shadowed(row, state)
                and not is_repeated(row, state)
            ):
                what = f"also from {state.name}"
                yield what, lambda state=state: sources.args.append(expression(f"_S.{state.name}"))
    given = {keyword.arg: keyword for keyword in row.keywords}
    for flag in FLAGS:
        if flag not in given:
            on = ast.keyword(flag, ast.Constant(True))
            yield f"{flag} => True", lambda on=on: row.keywords.append(on)


def is_shadowed(row: ast.Call, state: LineState) -> bool:
    """Return whether an earlier row takes whatever this one would take from a state: it asks for no more."""
    guards = ast.unparse(row.args[4]) if len(row.args) > 4 else ""
    for other in TRANSITIONS:
        if other.evidence.name == ast.unparse(row.args[2]).removeprefix("_E."):
            if state in other.sources and all(guard.__name__ in guards for guard in other.guards):
                return True
            if (other.number, f"_S.{other.target.name}" if other.target else "None") == (
                ast.literal_eval(row.args[0]),
                ast.unparse(row.args[3]),
            ):
                return False  # this is the row itself, and those after it come too late
    return False


def is_repeated(row: ast.Call, state: LineState) -> bool:
    """Return whether the next row from a state does the very same as this one would, and asks for no more."""
    guards = ast.unparse(row.args[4]).strip("()").rstrip(",").split(", ") if len(row.args) > 4 else []
    number, target = ast.literal_eval(row.args[0]), ast.unparse(row.args[3])
    itself = False
    for other in TRANSITIONS:
        asked = [guard.__name__ for guard in other.guards]
        does = (other.evidence.name, other.number, f"_S.{other.target.name}" if other.target else "None")
        same = does == (ast.unparse(row.args[2]).removeprefix("_E."), number, target)
        if not itself:
            itself = same and asked == guards
        elif state in other.sources and other.evidence.name == ast.unparse(row.args[2]).removeprefix("_E."):
            flagged = other.suspect or other.counts or other.foreign or other.delivery is not None or row.keywords
            return same and not flagged and set(asked) <= set(guards)
    return False


def expression(code: str) -> ast.expr:
    """Return code as an expression."""
    return ast.parse(code, mode="eval").body


def short(code: str) -> str:
    """Return code in one line of at most eighty characters."""
    line = " ".join(code.split())
    return line if len(line) <= 80 else line[:77] + "..."


# Running them.


def passes(tests: Sequence[str]) -> bool:
    """Return whether all of some tests pass."""
    without = ("cacheprovider", "randomly", "xdist", "xoxo_async")
    options = [option for name in without for option in ("-p", f"no:{name}")]
    return pytest.main(["-x", "-q", "--assert=plain", *options, *(str(TESTS / test) for test in tests)]) == 0


def survives(mutant: Mutant | None) -> bool:
    """Return whether no test notices a change, or none fails without one; called in a process of its own."""
    if mutant is not None:
        module = importlib.import_module(MODULE)
        try:
            exec(compile(mutant.code(), str(SOURCE), "exec"), module.__dict__)  # noqa: S102 - our own source, changed
        except Exception:  # noqa: BLE001 - a table that cannot be built is noticed
            return False
    stages = STAGES[:1] if mutant is not None and mutant.name in EQUIVALENT else STAGES
    return all(passes(tests) for tests in stages)


def started(mutant: Mutant | None) -> int:
    """Start a process that ends with 0 if a mutant survives; return its id."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.alarm(LIMIT_S)  # ends the process
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        status = 0 if survives(mutant) else 1
    finally:
        os._exit(status)


def survivors(all_of_them: Sequence[Mutant], processes: int) -> Iterator[Mutant]:
    """Run mutants side by side, and yield those that no test notices."""
    running: dict[int, Mutant] = {}
    waiting = list(reversed(all_of_them))
    while waiting or running:
        while waiting and len(running) < processes:
            mutant = waiting.pop()
            running[started(mutant)] = mutant
        pid, status = os.wait()
        mutant = running.pop(pid)
        if status == 0:
            yield mutant


def main() -> int:
    """Print what survives; return 1 if that is not what `EQUIVALENT` says."""
    began = time.monotonic()
    sys.path.insert(0, str(ROOT))
    os.chdir(ROOT)
    for needed in ("hypothesis", "xoxo_async.bulk", "xoxo_async.auth.memory", "tests.unit.bulk.ledger.ledgers", MODULE):
        importlib.import_module(needed)
    if os.waitstatus_to_exitcode(os.waitpid(started(None), 0)[1]):
        print("the tests fail without any change")
        return 1
    chosen = [mutant for mutant in mutants(SOURCE.read_text()) if not sys.argv[1:] or sys.argv[1] in mutant.name]
    unexplained = 0
    explained: set[str] = set()
    for mutant in survivors(chosen, os.cpu_count() or 1):
        if mutant.name in EQUIVALENT:
            explained.add(mutant.name)
        else:
            unexplained += 1
            print(f"{SOURCE.relative_to(ROOT)}:{mutant.line}: {mutant.name}", flush=True)
    stale = set() if sys.argv[1:] else set(EQUIVALENT) - explained
    for name in sorted(stale):
        print(f"this one is noticed, or is gone; take it out of EQUIVALENT: {name}")
    print(
        f"{len(chosen)} mutants, {unexplained} survive, {len(explained)} make no difference,"
        f" in {time.monotonic() - began:.0f} s"
    )
    return 1 if unexplained or stale else 0


if __name__ == "__main__":
    sys.exit(main())
