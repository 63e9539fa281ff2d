"""TLS to a fake gateway, with certificates that `openssl` makes for the test."""

import subprocess
from pathlib import Path

import grpc
import pytest
from fake import Gateway

from fondue import Fondue, Tls, Unavailable

EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def authority(folder: Path, name: str) -> bytes:
    """Makes an authority; gives its certificate."""
    files = ["-keyout", f"{name}.key", "-out", f"{name}.pem"]
    openssl(folder, "req", "-x509", *EC, "-subj", f"/CN={name}", *files)
    return (folder / f"{name}.pem").read_bytes()


def issue(folder: Path, by: str, name: str) -> tuple[bytes, bytes]:
    """A key and a certificate for `name`, signed by the authority `by`."""
    (folder / "names").write_text(f"subjectAltName=DNS:{name}\n")
    openssl(folder, "req", "-new", *EC[:-2], "-subj", f"/CN={name}", "-keyout", "own.key", "-out", "own.csr")
    sign = ["-CA", f"{by}.pem", "-CAkey", f"{by}.key", "-CAcreateserial", "-days", "2", "-extfile", "names"]
    openssl(folder, "x509", "-req", "-in", "own.csr", *sign, "-out", "own.pem")
    return (folder / "own.key").read_bytes(), (folder / "own.pem").read_bytes()


def say(gateway: Gateway, tls: Tls) -> str:
    with Fondue(gateway.address, tls=tls, timeout=20) as client:
        return client.reply("Hello").wait().text


def test_a_gateway_is_trusted_by_its_authority_and_name(tmp_path: Path) -> None:
    ca = authority(tmp_path, "ours")
    gateway = Gateway(grpc.ssl_server_credentials([issue(tmp_path, "ours", "localhost")]))
    assert say(gateway, Tls(roots=ca)) == "Good day"
    with pytest.raises(Unavailable):
        say(gateway, Tls(roots=authority(tmp_path, "other")))
    with pytest.raises(Unavailable):
        say(gateway, Tls(roots=ca, server_name="elsewhere"))
    gateway.stop()


def test_a_certificate_is_shown_where_one_is_asked_for(tmp_path: Path) -> None:
    ca = authority(tmp_path, "ours")
    server = issue(tmp_path, "ours", "localhost")
    gateway = Gateway(grpc.ssl_server_credentials([server], root_certificates=ca, require_client_auth=True))
    key, certificate = issue(tmp_path, "ours", "client")
    assert say(gateway, Tls(roots=ca, key=key, certificate=certificate)) == "Good day"
    with pytest.raises(Unavailable):
        say(gateway, Tls(roots=ca))
    gateway.stop()
