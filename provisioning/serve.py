"""EST over HTTPS (RFC 7030): cacerts, simpleenroll with a one-time code, simplereenroll over mutual TLS.

The only file that imports aiohttp. A client certificate is asked for and not demanded, and its dates are not judged
in the handshake (a box may come back late): `Enrolments.renew` judges them.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import signal
import ssl
import threading
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import BasicAuth, web
from aiohttp.typedefs import Handler
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from provisioning.enrolment import Enrolments, Refused
from provisioning.est import PATH
from provisioning.values import RegistryBusy
from running.turns import Away, LoopStop, StopSwitch
from running.watched import Watched

log = logging.getLogger(__name__)

X509_V_FLAG_NO_CHECK_TIME: Final = 0x200000  # openssl/x509_vfy.h
TURN_S: Final = 0.5
BUSY_AGAIN_S: Final = 60.0  # as long as the office waits for its own spreadsheet
REQUEST_WITHIN_S: Final = 30.0  # a connection that has not brought its whole request by then ends
LINGERS_S: Final = 2.0  # for the rest of a body that was too long, so that its answer is heard
REQUEST_LIMIT_BYTES: Final = 16_384  # a request with an RSA key of 4096 bits is 2 kB in base64
_CERTIFICATES: Final = {"Content-Type": "application/pkcs7-mime; smime-type=certs-only"}
_BASE64: Final = {"Content-Transfer-Encoding": "base64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the server listens, and what it shows: its certificate (with the issuing one behind it) and its key."""

    host: str
    port: int
    ca_path: Path
    certificate_path: Path
    key_path: Path


def application(
    enrolments: Enrolments, away: Away = nullcontext, *, within_s: float = REQUEST_WITHIN_S
) -> web.Application:
    """The three operations; `away`: around what waits for the registry's disk; `within_s`: for a request's body."""
    app = web.Application(client_max_size=REQUEST_LIMIT_BYTES, middlewares=[_one_a_connection, _refusals])

    async def cacerts(_request: web.Request) -> web.Response:
        return _certificates(enrolments.issuer.chain())

    async def simpleenroll(request: web.Request) -> web.Response:
        name, code = credentials_of(request.headers.get("Authorization", ""))
        asked = request_of(await _body(request, within_s))
        with away():
            issued = enrolments.enrol(name, code, asked, address=request.remote or "")
        return _certificates([x509.load_pem_x509_certificate(issued)])

    async def simplereenroll(request: web.Request) -> web.Response:
        shown = _shown(request)
        if shown is None:
            raise Refused(401, "show the certificate that is to be renewed")
        asked = request_of(await _body(request, within_s))
        with away():
            issued = enrolments.renew(shown, asked)
        return _certificates([x509.load_pem_x509_certificate(issued)])

    app.add_routes(
        [
            web.get(PATH + "cacerts", cacerts),
            web.post(PATH + "simpleenroll", simpleenroll),
            web.post(PATH + "simplereenroll", simplereenroll),
        ]
    )
    return app


def serve(enrolments: Enrolments, place: Place, *, within_s: float = REQUEST_WITHIN_S) -> None:
    """Until SIGINT or SIGTERM; SIGHUP: its own certificate was renewed. OSError when the port is taken."""
    switch, listening = StopSwitch(), threading.Event()
    watched = Watched(switch)
    turns = watched.loop("server")
    app, tls = application(enrolments, turns.elsewhere, within_s=within_s), context(place)
    try:
        with watched.telling(ready=listening.is_set, status=lambda: f"{place.host} port {place.port}"):
            asyncio.run(_until_stopped(app, tls, place, switch, turns, listening, within_s))
    finally:
        switch.close()


async def _until_stopped(
    app: web.Application,
    tls: ssl.SSLContext,
    place: Place,
    switch: StopSwitch,
    turns: LoopStop,
    listening: threading.Event,
    within_s: float,
) -> None:
    """Listen, and show twice a second that the event loop turns."""
    stopped = asyncio.Event()

    def stop() -> None:
        switch.set()
        stopped.set()

    for number, act in ((signal.SIGTERM, stop), (signal.SIGINT, stop), (signal.SIGHUP, lambda: _show(tls, place))):
        asyncio.get_running_loop().add_signal_handler(number, act)
    # An access log would write who asked for what with which header; enrolment.py says what matters.
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=2.0, keepalive_timeout=within_s, lingering_time=LINGERS_S
    )
    try:
        await runner.setup()
        await web.TCPSite(runner, place.host, place.port, ssl_context=tls).start()
        listening.set()
        while not turns.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), TURN_S)
    finally:
        await runner.cleanup()


def context(place: Place) -> ssl.SSLContext:
    """TLS of the server."""
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.minimum_version = ssl.TLSVersion.TLSv1_2
    found.load_cert_chain(place.certificate_path, place.key_path)
    found.load_verify_locations(place.ca_path)
    found.verify_mode = ssl.CERT_OPTIONAL
    found.verify_flags |= X509_V_FLAG_NO_CHECK_TIME
    return found


def _show(tls: ssl.SSLContext, place: Place) -> None:
    """From the next connection on the certificate as its file is now; the old one stays when that cannot be used."""
    try:
        tls.load_cert_chain(place.certificate_path, place.key_path)
    except OSError as error:
        log.error("%s cannot be used, the one before it stays: %s", place.certificate_path, error)
    else:
        log.info("%s is read anew", place.certificate_path)


@web.middleware
async def _refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except RegistryBusy as busy:
        log.warning("%s of %s has to wait: %s", request.path.removeprefix(PATH), request.remote, busy)
        return web.Response(status=503, text=f"{busy}\n", headers={"Retry-After": f"{BUSY_AGAIN_S:.0f}"})
    except Refused as refused:
        if refused.status != 429:  # what came before it is in the log
            log.info("%s refused to %s: %s", request.path.removeprefix(PATH), request.remote, refused)
        headers = {"Retry-After": f"{refused.wait_s:.0f}"} if refused.wait_s else {}
        if refused.status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="pantau"'
        return web.Response(status=refused.status, text=f"{refused}\n", headers=headers)


@web.middleware
async def _one_a_connection(request: web.Request, handler: Handler) -> web.StreamResponse:
    """One request a connection: the packet filter counts them, and nobody piles up answers that he does not read."""
    try:
        response = await handler(request)
    except web.HTTPException as refused:
        refused.force_close()
        raise
    response.force_close()
    return response


async def _body(request: web.Request, within_s: float) -> bytes:
    """What a request brought. Raises Refused when it does not come in time."""
    try:
        async with asyncio.timeout(within_s):
            return await request.read()
    except TimeoutError as error:
        raise Refused(408, f"the request was not there after {within_s:.0f} s") from error


def credentials_of(header: str) -> tuple[str, str]:
    """Name and code of HTTP Basic. Raises Refused."""
    try:
        found = BasicAuth.decode(header, encoding="utf-8")
    except (ValueError, binascii.Error) as error:
        raise Refused(401, "wanted a name and its code (HTTP Basic)") from error
    return found.login, found.password


def request_of(body: bytes) -> bytes:
    """The PKCS #10 request in a body, DER: base64 as the RFC has it, or PEM as people send it. Raises Refused."""
    lines = [line for line in body.split(b"\n") if not line.startswith(b"-----")]
    try:
        return base64.b64decode(b"".join(b"".join(lines).split()), validate=True)
    except binascii.Error as error:
        raise Refused(400, "wanted a certificate request in base64") from error


def _shown(request: web.Request) -> x509.Certificate | None:
    tls = request.transport.get_extra_info("ssl_object") if request.transport is not None else None
    der = None if tls is None else tls.getpeercert(binary_form=True)
    return None if der is None else x509.load_der_x509_certificate(der)


def _certificates(found: list[x509.Certificate]) -> web.Response:
    der = pkcs7.serialize_certificates(found, Encoding.DER)
    text = base64.encodebytes(der)
    return web.Response(body=text, headers={**_CERTIFICATES, **_BASE64})
