"""The names of the facts that a ledger keeps beside its lines, for `Ledger.get_fact` and `Ledger.set_fact`."""

from typing import Final

__all__ = [
    "BOUNDS",
    "COLUMNS",
    "CURRENCY",
    "INPUT",
    "KEPT_NAMES",
    "KIND",
    "LAST_SLOT",
    "NOTIFY",
    "PAUSED",
    "PLANNED_AT",
    "PRODUCTS",
    "REFRESHED_AT",
    "RUNS",
    "SERVER",
    "SETTINGS",
]

BOUNDS: Final = "bounds"
"""What the runs of the job keep to, as JSON: budget, settling time, concurrency and so on."""

COLUMNS: Final = "columns"
"""Which columns of the job's files are which fields, and which ride along, as JSON: what a person said of them."""

CURRENCY: Final = "currency"
"""The account's currency, as a code; a budget is in it."""

INPUT: Final = "input"
"""The file of the last plan: a hash of it and of how it was read, and what was recognised in it, in words."""

KEPT_NAMES: Final = "kept_names"
"""The names of the columns that ride along with the job's lines, in order: a JSON list."""

KIND: Final = "kind"
"""What the lines of the job are, see `JobKind`; a job of orders has no such fact."""

LAST_SLOT: Final = "last_slot"
"""When a line was claimed last, by the ledger's clock: the next run keeps its distance to that slot."""

NOTIFY: Final = "notify"
"""Whether the vendor mails the codes of every row with an address: `yes`; empty if the rows themselves say it."""

PAUSED: Final = "paused"
"""Why the job is paused; empty when it is not. For stores that have no place of their own for it."""

PLANNED_AT: Final = "planned_at"
"""When the job was planned first, in epoch seconds: an order that is older is not the job's."""

PRODUCTS: Final = "products"
"""Names and prices of the products of the job, as the catalog had them when they were planned first; as JSON."""

REFRESHED_AT: Final = "refreshed_at"
"""When a shift last looked up the lines that wait for their codes, by the ledger's clock."""

RUNS: Final = "runs"
"""What the latest runs left about themselves, as JSON; `Ledger.note_run` keeps it."""

SERVER: Final = "server"
"""Which server of a database the job was worked on last, and whether its commits wait for a standby; `Server.noted`."""

SETTINGS: Final = "settings"
"""The flags of the command's last run that are no bounds, as JSON: `status` prints them in the command that goes on."""
