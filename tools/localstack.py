"""LocalStack in Docker, for tests: `python tools/localstack.py --help`; docs/localstack.md says more."""

import sys

from _localstack.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
