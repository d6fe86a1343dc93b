import sys  # UserPromptExpansion: /circuit-status, /reset-circuit.

sys.path.insert(0, __file__.rpartition("hooks")[0] + "lib/circuit_breaker")
from start import start

start("command")
