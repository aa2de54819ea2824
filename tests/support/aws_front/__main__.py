"""`python -m aws_front [PORT]`: serves until standard input is closed, so that it never outlives who started it.

Prints its address on standard output when it answers.
"""

import sys

from .server import start


def main():
    server = start(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.buffer.read()
    server.shutdown()


if __name__ == "__main__":
    main()
