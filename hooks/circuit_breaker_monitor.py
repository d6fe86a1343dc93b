import sys  # PostToolUseFailure, PostToolBatch: how did the turn end?

sys.path.insert(0, __file__.rpartition("hooks")[0] + "lib/circuit_breaker")
from start import start

start("monitor")
