"""LocalStack in Docker, for tests: start, stop, restart, status, logs, clean, test, test-unit, test-all, manage.

`python tools/localstack.py --help` says more, docs/localstack.md everything.
"""

import sys

from _localstack.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
