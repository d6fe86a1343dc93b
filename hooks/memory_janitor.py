import sys  # SessionStart: what is due, and which interpreter the hooks use.

sys.path.insert(0, __file__.rpartition("hooks")[0] + "lib/circuit_breaker")
from start import start

start("janitor", "opening")
