"""`python -m lucid`: the shell commands."""

import sys

from lucid.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
