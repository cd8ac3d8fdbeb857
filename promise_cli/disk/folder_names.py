"""Names that a user gives to plans and runs, and that become parts of folder names."""

import re

from promise_cli.errors import WorkspaceError, shorten

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]|_(?!_)){0,39}")
"""Pattern of a name. It holds neither `@` nor `__`, which separate it from other parts, and is safe on every system."""


def is_name(text: str) -> bool:
    """Whether a text can be a name."""
    return bool(_NAME.fullmatch(text)) and not text.endswith((".", "_"))


def check_name(name: str, option: str) -> None:
    """Refuse a text that cannot be a name.

    Args:
        name: The text.
        option: Option that gave it, for the message.

    Raises:
        WorkspaceError: It has characters other than letters, digits, `.`, `-` and single `_`, or is too long.
    """
    if not is_name(name):
        raise WorkspaceError(
            f"{option} {shorten(name)!r}: use 1 to 40 letters, digits, '.', '-' or single '_', with a letter or digit"
            " first and no '.' or '_' last"
        )
