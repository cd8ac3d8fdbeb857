"""A certificate and its key are checked before the networks are loaded, and the message names option and file."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from promise_cli.errors import PromptError
from promise_cli.serve.serve_request import ServeRequest

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture
def pems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, with two certificates and keys, an encrypted key, and damaged files."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        _openssl(
            "req",
            "-x509",
            *curve,
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.pem",
            "-subj",
            "/CN=a",
        )
    _openssl("pkey", "-in", "a.key", "-aes256", "-passout", "pass:word", "-out", "locked.key")
    key, certificate = Path("a.key").read_text(), Path("a.pem").read_text()
    Path("both.pem").write_text(certificate + key)
    Path("damaged.key").write_text(key.replace("M", "N", 1))
    Path("damaged.pem").write_text(certificate.replace("M", "N", 1))
    Path("text.pem").write_text("a certificate")
    return tmp_path


@pytest.mark.usefixtures("pems")
@pytest.mark.parametrize("files", [("a.pem", "a.key"), ("both.pem", None), ("both.pem", "a.key")])
def test_a_certificate_with_its_own_key_is_taken(files: tuple[str, str | None]) -> None:
    assert _request(*files).certificate == Path(files[0])


NO_PEM = "no certificate can be read from it"


@pytest.mark.usefixtures("pems")
@pytest.mark.parametrize(
    ("certificate", "key", "message"),
    [
        ("damaged.pem", "a.key", f"--tls-cert damaged.pem: {NO_PEM} (damaged or missing); give a file in PEM format"),
        ("text.pem", None, f"--tls-cert text.pem: {NO_PEM} (no certificate or crl found); give a file in PEM format"),
        ("a.key", "a.pem", f"--tls-cert a.key: {NO_PEM} (no certificate or crl found); give a file in PEM format"),
        ("a.pem", None, "--tls-cert a.pem: no private key can be used from it (damaged or missing); give it with"
         " --tls-key"),
        ("a.pem", "a.pem", "--tls-key a.pem: no private key can be used from it (damaged or missing); give a file in"
         " PEM format"),
        ("a.pem", "damaged.key", "--tls-key damaged.key: no private key can be used from it (damaged or missing); give"
         " a file in PEM format"),
        ("a.pem", "b.key", "--tls-key b.key: is not the private key of the certificate in a.pem; give the key that"
         " belongs to it"),
        ("a.pem", "locked.key", "--tls-key locked.key: the private key needs a password; give a key without one, such"
         " as openssl pkey -in FILE -out OTHER writes"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_named_with_its_option(
    certificate: str, key: str | None, message: str
) -> None:
    with pytest.raises(PromptError) as raised:
        _request(certificate, key)
    assert str(raised.value) == message


@pytest.mark.usefixtures("pems")
@pytest.mark.parametrize("name", ["a.pem", "a.key"])
def test_an_unreadable_file_is_named_with_its_option(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    option = "--tls-cert" if name == "a.pem" else "--tls-key"
    monkeypatch.setattr("promise_cli.serve.certificate.ssl.SSLContext", lambda _: _Locked(name))
    with pytest.raises(PromptError, match=f"^{option} {name}: .*Permission denied"):
        _request("a.pem", "a.key")


class _Locked:
    """A context that has no permission to read one file."""

    def __init__(self, name: str) -> None:
        self.name = name

    def load_verify_locations(self, certificate: Path) -> None:
        self._open(certificate)

    def load_cert_chain(self, certificate: Path, key: Path, _: Callable[[], str]) -> None:
        self._open(certificate)
        self._open(key)

    def _open(self, path: Path) -> None:
        if path.name == self.name:
            raise PermissionError(13, "Permission denied")


def _request(certificate: str, key: str | None) -> ServeRequest:
    return ServeRequest(
        images=Path("imgs"),
        certificate=Path(certificate),
        certificate_key=None if key is None else Path(key),
    )
