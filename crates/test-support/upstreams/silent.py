"""The upstream that reads all and answers nothing, not even `initialize`.

Plain Python over stdio: `silent.py [--stubborn]`. It ends with its input; a stubborn one stays, and
ignores SIGTERM as well.
"""

import signal
import sys

stubborn = "--stubborn" in sys.argv[1:]
if stubborn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

for _ in sys.stdin.buffer:
    pass

while stubborn:
    signal.pause()
