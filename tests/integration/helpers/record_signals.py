# SPDX-License-Identifier: MIT
"""record_signals.py [END]: say `ready`, then `got N` for each signal N; exit 0 after the signal END."""

import signal
import sys

end = int(sys.argv[1]) if len(sys.argv) > 1 else 0
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
print("ready", flush=True)
while True:
    number = signal.sigwaitinfo(signal.valid_signals()).si_signo
    print("got", number, flush=True)
    if number == end:
        break
