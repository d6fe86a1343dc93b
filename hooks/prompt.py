# UserPromptSubmit: a new prompt; was the bypass said?
from _frozen_importlib_external import SourceFileLoader

loader = SourceFileLoader("loader", __file__.rpartition("hooks")[0] + "lib/circuit_breaker/runtime/loader.py")
loader.load_module().start("prompt")
