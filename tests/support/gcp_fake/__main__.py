"""A strict double of the parts of Google Cloud that refarch uses. For tests only.

    python tests/support/gcp_fake [--port 0]

Prints its address when it is ready. It is run in the environment that `scripts/emulators.sh` makes, because it reads
the vendor's descriptions from the package google-api-python-client.
"""

import argparse
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import googleapiclient

from server import serve
from spec import Spec
from world import World

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--port", type=int, default=0)
options = parser.parse_args()
folder = os.path.join(os.path.dirname(googleapiclient.__file__), "discovery_cache", "documents")
spec = Spec(folder)
serve(lambda base: World(spec, base), options.port)
