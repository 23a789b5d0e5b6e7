"""Package shared by Undertone's programs: audio, models, predictions, storage, web.

The rule, checked by ``tests/test_layers.py``: the top-level modules import this package, and
nothing in this package imports the top level.
"""

import os

__version__ = "0.1.0"

# From 1.29 on, ONNX Runtime keeps a device id in the home folder and reports usage to its maker,
# unless this is set before the first import. No usage data may leave this machine.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
