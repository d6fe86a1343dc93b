import sys  # PreToolUse: may this call go ahead?

sys.path.insert(0, __file__.rpartition("hooks")[0] + "lib/circuit_breaker")
from start import start

start("gate")
