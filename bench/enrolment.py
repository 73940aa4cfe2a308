"""enrolment: thousands of boxes imported from spreadsheets, labelled, and enrolled over TLS, in one run; is it flat?

Beside the large city is one of 100 boxes, each with its own registry and its own enrolment server: boxes enrol in both
in turn, so that whatever else the machine does hits both. Importing and labelling is the work of one process, and its
CPU is what counts. `--units=N` is the size of the large one.
"""

from __future__ import annotations

import io
import os
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509

from bench.report import Figure, median, progress, show
from edge.clock import Clock
from provisioning.authority import Issuer, found_authority
from provisioning.enrolment import Enrolments
from provisioning.est_client import EstClient, Server
from provisioning.files import PUBLIC, SECRET, write
from provisioning.labels import Label, sheet
from provisioning.registry import Registry
from provisioning.tables import COLUMNS, read_table, take_table
from provisioning.ticket import Ticket, read_ticket
from provisioning.trust import fingerprint
from provisioning.written import Addresses
from provisioning.x509 import Identity, identity_of, key_pem, new_key, pem
from stage.city import free_port
from stage.process import Child

UNITS: Final = 2_000  # under two minutes; 10,000 take seven (--units=10000), at the same cost a box
FEW: Final = 100
SAMPLES: Final = 100  # boxes enrolled in both cities in turn
SMALL_CITIES: Final = 5  # each imported and labelled once: their median is one unit's cost among few
READY_WITHIN_S: Final = 20.0
FLAT: Final = "<= 1.5"


def main(argv: Sequence[str]) -> int:
    """Run it and print its figures; the folder is $PANTAU_BENCH_DIR, else the system's temporary one."""
    asked = [flag.partition("=")[2] for flag in argv if flag.startswith("--units=")]
    count = max(int(asked[0]) if asked else UNITS, 2 * SAMPLES)
    with tempfile.TemporaryDirectory(prefix="enrolment-", dir=os.environ.get("PANTAU_BENCH_DIR")) as folder:
        figures = _figures(Path(folder), count)
    conditions = f"{count} boxes with a SIM each, against {FEW}; one box at a time, P-256, TLS 1.3"
    show("enrolment", figures, as_json="--json" in argv, conditions=conditions)
    return 0


@dataclass(frozen=True, slots=True)
class Prepared:
    """What importing and labelling a city cost a box, seconds of CPU, and the text of each box's label."""

    import_s: float
    label_s: float
    texts: Sequence[str]


class City:
    """An authority, a registry, and (between `open` and `close`) the enrolment server."""

    def __init__(self, home: Path, count: int) -> None:
        self.home, self.count, self.port = home, count, free_port()
        self.issuer: Final[Issuer] = found_authority(home, "bench")
        key = new_key()
        mine = self.issuer.issue(Identity(name="localhost", role="broker", hosts=("localhost",)), key.public_key())
        write(home / "server.key", key_pem(key), mode=SECRET)
        write(home / "server.pem", mine + pem(self.issuer.issuing), mode=PUBLIC)
        self._server = Child("serve", self._command(), home / "serve.log")

    @property
    def path(self) -> Path:
        return self.home / "registry.db"

    def prepare(self) -> Prepared:
        """SIMs and boxes from two spreadsheets, then a sheet of labels with a ticket each."""
        with Registry(self.path, who="bench") as registry:
            begun_s = time.process_time()
            for name, rows in (("sims", self._sims()), ("units", self._units())):
                text = "\n".join([",".join(COLUMNS[name]), *rows])
                take_table(registry, read_table(io.StringIO(text), name), name)
            imported_s = time.process_time()
            labels = self._labels(registry)
            write(self.home / "sheet.html", sheet(labels).encode(), mode=SECRET)
            labelled_s = time.process_time()
        texts = [label.qr for label in labels]
        return Prepared((imported_s - begun_s) / self.count, (labelled_s - imported_s) / self.count, texts)

    def open(self) -> None:
        """Start the server and wait until it listens. TimeoutError when it does not."""
        self._server.start()
        deadline_s = time.monotonic() + READY_WITHIN_S
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"the enrolment server does not listen: {self._server.tail()}")
            time.sleep(0.05)

    def close(self) -> None:
        """Stop the server."""
        self._server.terminate()
        self._server.join(10)

    def enrol(self, text: str) -> float:
        """One box with its label's text: a key, a request, a certificate; how long it took, seconds."""
        begun_s = time.perf_counter()
        ticket = read_ticket(text)
        assert ticket is not None
        server = Server(host=ticket.at.enrolment_host, port=ticket.at.enrolment_port, ca_path=self.home / "ca.pem")
        issued = EstClient(server, Clock()).enrol(ticket.unit, ticket.code, new_key())
        took_s = time.perf_counter() - begun_s
        if identity_of(x509.load_pem_x509_certificate(issued)) != Identity(name=ticket.unit, role="unit"):
            raise ValueError(f"{ticket.unit} got another's certificate")
        return took_s

    def enrolled(self) -> int:
        """How many boxes the registry holds for enrolled."""
        with Registry(self.path, who="bench") as registry:
            return sum(unit.state == "enrolled" for unit in registry.units())

    def _labels(self, registry: Registry) -> list[Label]:
        enrolments, root = Enrolments(registry, self.issuer), fingerprint(self.issuer.root)
        at = Addresses(enrolment_host="localhost", enrolment_port=self.port, broker_host="localhost", broker_port=8883)
        labels = []
        with registry.together():
            for number in range(self.count):
                name = _name(number)
                code = enrolments.new_code(Identity(name=name, role="unit"))
                ticket = Ticket(unit=name, code=code, at=at, fingerprint=root)
                labels.append(Label(unit=name, qr=str(ticket), lines=(code,)))
        return labels

    def _sims(self) -> list[str]:
        return [f"{_iccid(number)},telkomsel,500,internet" for number in range(self.count)]

    def _units(self) -> list[str]:
        return [f"{_name(number)},gps_unit,{_iccid(number)}," for number in range(self.count)]

    def _command(self) -> list[str]:
        words = ["--certificate", str(self.home / "server.pem"), "--key", str(self.home / "server.key")]
        words += ["--host", "127.0.0.1", "--port", str(self.port)]
        words += ["--authority", str(self.home), "--registry", str(self.path)]
        return [sys.executable, "-m", "pantau.provision", "serve", *words]


def _figures(folder: Path, count: int) -> list[Figure]:
    begun_s = time.monotonic()
    few = [City(folder / f"few-{number}", FEW).prepare() for number in range(SMALL_CITIES)]
    large, small = City(folder / "large", count), City(folder / "small", FEW)
    many, last = large.prepare(), small.prepare()
    few.append(last)
    progress(f"{count} boxes imported and labelled")
    try:
        large.open()
        small.open()
        for done, text in enumerate(many.texts[:-SAMPLES]):
            large.enrol(text)
            if done % 1000 == 999:
                progress(f"{done + 1} boxes enrolled")
        pairs = [
            (small.enrol(one), large.enrol(other)) for one, other in zip(last.texts, many.texts[-SAMPLES:], strict=True)
        ]
    finally:
        large.close()
        small.close()
    whole_s = time.monotonic() - begun_s
    enrolled = large.enrolled()
    if enrolled != count:
        raise ValueError(f"{enrolled} of {count} boxes are enrolled")
    among_few_s, among_many_s = (median(times) for times in zip(*pairs, strict=True))
    few_import_s, few_label_s = median([one.import_s for one in few]), median([one.label_s for one in few])
    few_kb, many_kb = (city.path.stat().st_size / city.count / 1000 for city in (small, large))
    return [
        Figure(f"import: {count} over {FEW}", many.import_s / few_import_s, "", FLAT, "a SIM and a box, from CSV"),
        Figure(f"import, of {count}", many.import_s * 1000, "ms/box", None, "CPU"),
        Figure(f"label: {count} over {FEW}", many.label_s / few_label_s, "", FLAT, "a code, a QR code, a sheet"),
        Figure(f"label, of {count}", many.label_s * 1000, "ms/box", None, "CPU"),
        Figure(f"enrol: {count} over {FEW}", among_many_s / among_few_s, "", FLAT, f"medians of {SAMPLES}, in turn"),
        Figure(f"enrol, of {count}", among_many_s * 1000, "ms/box", None, "key, TLS, certificate, both ends"),
        Figure(f"registry: {count} over {FEW}", many_kb / few_kb, "", FLAT, "bytes a box, every change kept"),
        Figure(f"registry, of {count}", many_kb, "kB/box"),
        Figure(
            f"{count} boxes", whole_s, "s", None, f"the whole run, the {(SMALL_CITIES + 1) * FEW} of the small in it"
        ),
    ]


def _name(number: int) -> str:
    return f"box-{number:05}"


def _iccid(number: int) -> str:
    return f"89621{number:014}"
