"""`pantau ledger`: the proof that nothing was lost, or the list of what was."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from typer import Exit

from pantau.store import AsJson, StoreUrl, opened

if TYPE_CHECKING:
    from broker.store import Account


def ledger(store_url: StoreUrl, as_json: AsJson = False) -> None:
    """Balance what every unit has produced against what is stored, shed or still held, outbox by outbox.

    Judged against the unit's newest health record: what came later is unjudged. Exit 1 when anything is missing.
    """
    with opened(store_url) as store:
        accounts = store.ledger()
    if as_json:
        print(json.dumps([_as_dict(account) for account in accounts], indent=2))
    else:
        _show(accounts)
    if any(account.missing for account in accounts):
        raise Exit(1)


def _as_dict(account: "Account") -> dict[str, object]:
    return {
        "unit": account.unit,
        "outbox_id": account.outbox_id,
        "produced": account.produced,
        "stored": account.stored,
        "shed_by_reason": dict(account.shed_by_reason),
        "held": account.held,
        "unjudged": account.unjudged,
        "expired": account.expired,
        "conflicts": account.conflicts,
        "missing": account.missing_count,
        "missing_seqs": [list(pair) for pair in account.missing],
    }


def _show(accounts: Sequence["Account"]) -> None:
    from rich.table import Table

    from pantau.tables import print_table

    table = Table(box=None, header_style="bold")
    for column in ("unit", "outbox"):
        table.add_column(column, no_wrap=True)
    for column in ("produced", "stored", "shed", "held", "unjudged", "expired", "conflicts", "missing"):
        table.add_column(column, justify="right", no_wrap=column != "shed", overflow="fold")  # reasons are a box's
    for account in accounts:
        shed = ", ".join(f"{reason} {count}" for reason, count in account.shed_by_reason.items() if count)
        table.add_row(
            account.unit,
            f"{account.outbox_id:08x}",
            str(account.produced),
            str(account.stored),
            shed or "0",
            str(account.held),
            str(account.unjudged),
            str(account.expired),
            str(account.conflicts),
            str(account.missing_count),
            style="bold red" if account.missing else None,
        )
    print_table(table)
    for account in accounts:
        if account.missing:
            seqs = " ".join(f"{first}-{last}" if last > first else str(first) for first, last in account.missing)
            print(f"missing from {account.unit} {account.outbox_id:08x}: {seqs}", file=sys.stderr)
    print(f"{sum(account.missing_count for account in accounts)} missing")
