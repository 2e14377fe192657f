"""Run LocalStack in Docker, for tests. See `python tools/localstack.py --help` and docs/localstack.md."""

import sys

from _localstack.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
