# PostToolUseFailure, PostToolBatch: how did the turn end?
from _frozen_importlib_external import SourceFileLoader

path = __file__.rpartition("hooks")[0] + "lib/circuit_breaker/start.py"
names = {"__name__": "start", "__file__": path}
exec(SourceFileLoader("start", path).get_code("start"), names)
names["start"]("monitor")
