import sys  # UserPromptSubmit: a new prompt; was the bypass said?

sys.path.insert(0, __file__.rpartition("hooks")[0] + "lib/circuit_breaker")
from start import start

start("prompt")
