"""Start one real hook entry script with another clock: argv = SCRIPT, epoch seconds."""

import runpy
import sys
import time

script, now = sys.argv[1], float(sys.argv[2])
time.time = lambda: now
sys.argv = [script]
sys.path[0] = script.rpartition("/")[0]  # as if the script itself had been started
runpy.run_path(script, run_name="__main__")
