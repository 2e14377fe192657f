"""`python -m pipemodels.cli`."""

import sys

from pipemodels.cli import main

if __name__ == "__main__":
    sys.exit(main())
