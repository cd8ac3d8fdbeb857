"""Checks the files of a TLS certificate before the networks are loaded."""

import ssl
from pathlib import Path

from promise_cli.errors import PromptError


class _PasswordError(Exception):
    """A private key is encrypted."""


def check_certificate(certificate: Path, key: Path | None) -> None:
    """Check that a server can use a certificate and its private key.

    Args:
        certificate: File of `--tls-cert`.
        key: File of `--tls-key`. None means that the certificate's file holds the key, too.

    Raises:
        PromptError: A file is unreadable or holds something else, the key is encrypted, or it belongs to another
            certificate. The message names the option and the file.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(certificate)
    except OSError as error:
        raise PromptError(
            f"--tls-cert {certificate}: no certificate can be read from it ({_reason(error)}); give a file in PEM"
            " format"
        ) from None
    holder = f"--tls-cert {certificate}" if key is None else f"--tls-key {key}"
    try:
        context.load_cert_chain(certificate, key, _refuse_password)
    except _PasswordError:
        raise PromptError(
            f"{holder}: the private key needs a password; give a key without one, such as openssl pkey -in FILE -out"
            " OTHER writes"
        ) from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise PromptError(
                f"{holder}: is not the private key of the certificate in {certificate}; give the key that belongs to it"
            ) from None
        advice = "give it with --tls-key" if key is None else "give a file in PEM format"
        raise PromptError(
            f"{holder}: no private key can be used from it ({_reason(error)}); {advice}"
        ) from None
    except OSError as error:
        raise PromptError(f"{holder}: {_reason(error)}; check its permissions") from None


def _refuse_password() -> str:
    raise _PasswordError


def _reason(error: OSError) -> str:
    """Return what went wrong, without the line of OpenSSL's source that its errors name."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or "damaged or missing").replace("_", " ").lower()
    return error.strerror or str(error)
