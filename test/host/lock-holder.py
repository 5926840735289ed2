"""Holds the lock file named by the only argument with a POSIX record lock, as the Python storage manager does.

Says `locked` or `busy`; then holds until stdin ends.
"""

import fcntl
import sys

lock_file = open(sys.argv[1], "w+")
try:
    fcntl.lockf(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    print("busy", flush=True)
else:
    print("locked", flush=True)
    sys.stdin.read()
