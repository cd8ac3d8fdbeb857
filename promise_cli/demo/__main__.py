"""`python -m promise_cli.demo FOLDER` runs the demo."""

import sys
from pathlib import Path

from promise_cli.console import fail
from promise_cli.demo.command import main

if __name__ == "__main__":
    if len(sys.argv) != 2:
        fail("usage: python -m promise_cli.demo FOLDER")
        sys.exit(2)
    sys.exit(main(Path(sys.argv[1])))
