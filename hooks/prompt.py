import sys  # UserPromptSubmit: a new prompt; was the bypass said?

sys.path.insert(0, __file__.rpartition("hooks")[0] + "lib")
from circuit_breaker.edge.hook import serve

serve("prompt")
