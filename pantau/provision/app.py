"""The verbs of `pantau-provision`, and under which heading the help lists each."""

import typer

from pantau.provision import adopt, authority, box, card, check, label, registry, renewing, retiring, sheets
from pantau.provision.spoken import Verb, Verbs

OFFICE, AUTHORITY, BOX = "In the office", "The authority", "On the box"

app = typer.Typer(cls=Verbs, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def provision() -> None:
    """From a bare box to a trusted unit: who is who, which box is in which vehicle, and certificates.

    `pantau-provision VERB --help` explains one verb.
    """


for panel, verbs in (
    (
        OFFICE,
        (
            registry.unit,
            registry.asset,
            registry.sim,
            registry.assign,
            registry.release,
            registry.swap,
            retiring.retire,
            registry.list_,
            registry.show,
            registry.import_,
            card.card,
            label.label,
            registry.publish,
        ),
    ),
    (
        AUTHORITY,
        (
            authority.authority,
            authority.certificate,
            renewing.certificates,
            authority.code,
            retiring.crl,
            authority.serve,
        ),
    ),
    (BOX, (box.enrol, box.renew, adopt.adopt, check.check)),
):
    for verb in verbs:
        app.command(verb.__name__.rstrip("_"), cls=Verb, rich_help_panel=panel)(verb)

app.add_typer(sheets.sheet, name="sheet", rich_help_panel=OFFICE)
