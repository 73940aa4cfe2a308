"""Who gets a certificate, and who does not: codes, renewals, late returns, retired boxes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from provisioning import codes
from provisioning.authority import Issuer, found_authority, open_authority, renew_issuing
from provisioning.enrolment import A_DAY, MOST_A_DAY, Enrolments, Refused
from provisioning.registry import Registry
from provisioning.throttle import FAILURES, WITHIN_S, Throttle
from provisioning.values import Unit
from provisioning.x509 import Identity, Key, identity_of, new_key


class Office:
    """Enrolments over a real registry, with clocks that a test moves."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self.now = dt.datetime.now(dt.UTC)
        self.monotonic_s = 0.0
        self.registry = Registry(directory / "registry.db", who="office")
        self.issuer: Issuer = found_authority(directory / "ca", "jakarta")
        self.enrolments = Enrolments(
            self.registry, self.issuer, now=lambda: self.now, monotonic_s=lambda: self.monotonic_s
        )
        self.registry.put_unit(Unit(unit="box-1"))

    def code(self, name: str = "box-1", role: str = "unit") -> str:
        return self.enrolments.new_code(Identity(name=name, role=role))

    def enrol(self, key: Key, code: str, *, name: str = "box-1", asks_for: str = "box-1") -> x509.Certificate:
        issued = self.enrolments.enrol(name, code, request(key, asks_for), address="10.0.0.9")
        return x509.load_pem_x509_certificate(issued)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    yield office
    office.registry.close()


def request(key: Key | rsa.RSAPrivateKey, name: str = "box-1") -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    asked = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return asked.public_bytes(serialization.Encoding.DER)


def refusal(status: int, act: object) -> str:
    with pytest.raises(Refused) as refused:
        act()  # type: ignore[operator]
    assert refused.value.status == status, refused.value
    return str(refused.value)


def test_name_and_role_come_from_the_code_never_from_the_request(office: Office) -> None:
    issued = office.enrol(new_key(), office.code(), asks_for="bridge-1")
    assert identity_of(issued) == Identity(name="box-1", role="unit")
    assert office.issuer.issued(issued)
    assert [(e.how, e.name) for e in office.registry.enrolments("box-1")] == [("code", "box-1")]
    unit = office.registry.unit("box-1")
    assert unit is not None and unit.state == "enrolled"


def test_a_code_is_good_once_but_the_same_key_may_come_again_for_its_answer(office: Office) -> None:
    code, key = office.code(), new_key()
    office.enrol(key, code)
    office.enrol(key, code)
    assert "used" in refusal(401, lambda: office.enrol(new_key(), code))


def test_an_expired_code_and_one_that_a_newer_code_replaced_are_worth_nothing(office: Office) -> None:
    old = office.code()
    new = office.code()
    refusal(401, lambda: office.enrol(new_key(), old))
    office.now += dt.timedelta(milliseconds=codes.LASTS_MS + 1)
    assert "expired" in refusal(401, lambda: office.enrol(new_key(), new))


def test_a_code_is_read_as_people_type_it(office: Office) -> None:
    code = office.code()
    assert office.enrol(new_key(), f" {code.lower().replace('-', ' ')} ")


def test_who_guesses_is_told_to_wait_and_keeps_nobody_from_the_right_code(office: Office) -> None:
    code = office.code()
    for _ in range(FAILURES):
        refusal(401, lambda: office.enrol(new_key(), "AAAA-BBBB-CCCC"))
    assert "try again" in refusal(429, lambda: office.enrol(new_key(), "AAAA-BBBB-CCCC"))
    assert office.enrol(new_key(), code), "behind the same address, for the same name"
    office.monotonic_s += WITHIN_S
    refusal(401, lambda: office.enrol(new_key(), "AAAA-BBBB-CCCC"))


def test_a_name_that_is_anothers_address_is_no_address(office: Office) -> None:
    for _ in range(FAILURES + 1):
        with pytest.raises(Refused):
            office.enrol(new_key(), "AAAA-BBBB-CCCC", name="203.0.113.7")
    elsewhere = request(new_key())
    refusal(401, lambda: office.enrolments.enrol("box-1", "AAAA-BBBB-CCCC", elsewhere, address="203.0.113.7"))
    assert office.enrolments.enrol("box-1", office.code(), elsewhere, address="203.0.113.7")


def test_a_name_nobody_knows_is_told_the_same_as_a_wrong_code(office: Office) -> None:
    office.code()
    wrong = refusal(401, lambda: office.enrol(new_key(), "AAAA-BBBB-CCCC"))
    assert refusal(401, lambda: office.enrol(new_key(), "AAAA-BBBB-CCCC", name="box-99")) == wrong


def test_codes_are_kept_as_hashes_and_told_in_no_list_of_changes(office: Office, tmp_path: Path) -> None:
    code = office.code()
    office.enrol(new_key(), code)
    office.registry.close()
    for name in ("registry.db", "registry.db-wal"):
        kept = (tmp_path / name).read_bytes() if (tmp_path / name).exists() else b""
        assert code.encode() not in kept and codes.plain(code).encode() not in kept
    office.registry = Registry(tmp_path / "registry.db", who="office")
    assert all(change.after is None for change in office.registry.changes() if change.table == "codes")


def test_a_renewal_may_bring_another_key_but_after_its_end_only_the_same_and_not_for_ever(office: Office) -> None:
    key = new_key()
    first = office.enrol(key, office.code())
    second_key = new_key()
    second = x509.load_pem_x509_certificate(office.enrolments.renew(first, request(second_key)))
    office.now = second.not_valid_after_utc + dt.timedelta(days=100)
    assert "same key" in refusal(403, lambda: office.enrolments.renew(second, request(new_key())))
    assert office.enrolments.renew(second, request(second_key))
    assert [e.how for e in office.registry.enrolments("box-1")] == ["code", "renewal", "late"]
    office.now = second.not_valid_after_utc + dt.timedelta(days=366)
    assert "a new code" in refusal(403, lambda: office.enrolments.renew(second, request(second_key)))


def test_a_name_gets_ten_certificates_a_day_however_it_asks(office: Office) -> None:
    key, code = new_key(), office.code()
    shown = office.enrol(key, code)
    begun = office.now
    for _ in range(MOST_A_DAY - 1):
        office.now += dt.timedelta(seconds=2)
        assert office.enrolments.renew(shown, request(new_key()))
    with pytest.raises(Refused) as refused:
        office.enrolments.renew(shown, request(new_key()))
    assert refused.value.status == 429 and refused.value.wait_s == (begun + A_DAY - office.now).total_seconds()
    refusal(429, lambda: office.enrol(key, code))
    assert len(office.registry.enrolments("box-1")) == MOST_A_DAY
    assert office.enrol(new_key(), office.code()), "the office gave a code now"
    office.now += A_DAY
    assert office.enrolments.renew(shown, request(new_key()))
    office.now = shown.not_valid_after_utc + dt.timedelta(days=1)
    assert len({office.enrolments.renew(shown, request(key)) for _ in range(2 * MOST_A_DAY)}) == MOST_A_DAY, "late, too"


def test_a_box_whose_answers_are_lost_has_one_in_the_end_and_makes_nothing_grow(office: Office) -> None:
    key, code = new_key(), office.code()
    answers = [office.enrol(key, code) for _ in range(3 * MOST_A_DAY)]
    assert len(set(answers)) == len(office.registry.enrolments("box-1")) == MOST_A_DAY
    renewed = new_key()
    office.now += A_DAY
    for _ in range(3 * MOST_A_DAY):
        last = x509.load_pem_x509_certificate(office.enrolments.renew(answers[-1], request(renewed)))
    assert last.public_key() == renewed.public_key()
    assert len(office.registry.enrolments("box-1")) == 2 * MOST_A_DAY


def test_a_retired_box_gets_nothing_any_more(office: Office) -> None:
    key, code = new_key(), office.code()
    issued = office.enrol(key, code)
    revoked = office.registry.retire("box-1")
    assert [one.revoked_utc_ms is not None for one in revoked] == [True]
    assert refusal(403, lambda: office.enrolments.renew(issued, request(key))) == "retired"
    refusal(401, lambda: office.enrol(key, code))
    crl = x509.load_pem_x509_crl(office.issuer.crl({issued.serial_number: office.now}))
    assert crl.get_revoked_certificate_by_serial_number(issued.serial_number) is not None


def test_another_authoritys_certificate_of_the_same_name_renews_nothing(office: Office, tmp_path: Path) -> None:
    office.enrol(new_key(), office.code())
    other = Office(tmp_path / "other")
    stranger = other.enrol(new_key(), other.code())
    other.registry.close()
    assert "not a certificate of ours" in refusal(403, lambda: office.enrolments.renew(stranger, request(new_key())))


def test_weak_keys_and_what_is_no_request_are_refused(office: Office) -> None:
    code = office.code()
    weak = request(rsa.generate_private_key(65537, 1024))
    assert "RSA of 2048" in refusal(400, lambda: office.enrolments.enrol("box-1", code, weak, address="x"))
    curve = request(ec.generate_private_key(ec.SECP224R1()))
    refusal(400, lambda: office.enrolments.enrol("box-1", code, curve, address="x"))
    refusal(400, lambda: office.enrolments.enrol("box-1", code, b"\x30\x03abc", address="x"))
    strong = request(rsa.generate_private_key(65537, 2048))
    assert office.enrolments.enrol("box-1", code, strong, address="x")


def test_the_throttle_forgets_the_longest_quiet_first() -> None:
    throttle = Throttle()
    for _ in range(FAILURES):
        throttle.failed("first", 0.0)
    for number in range(10_000):
        throttle.failed(str(number), 1.0)
    assert throttle.wait_s("first", 1.0) == 0.0


def test_what_an_earlier_issuing_key_has_signed_is_renewed(office: Office, tmp_path: Path) -> None:
    key = new_key()
    before = office.enrol(key, office.code())
    for _ in range(2):
        renew_issuing(tmp_path / "ca", "jakarta", root_directory=tmp_path / "ca")
    issuer = open_authority(tmp_path / "ca")
    renewed = Enrolments(office.registry, issuer).renew(before, request(key))
    assert not office.issuer.issued(x509.load_pem_x509_certificate(renewed)), "the newest key signs"
    assert len(issuer.earlier) == 2
    assert issuer.trusted() == (tmp_path / "ca" / "ca.pem").read_bytes()
