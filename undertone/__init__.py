"""What Undertone's programs share: audio, models, predictions, storage, the web.

The rule of the house, kept by ``tests/test_layers.py``: the top-level modules import this
package; nothing in here imports the top level.
"""

import os

__version__ = "0.1.0"

# From 1.29 on, ONNX Runtime keeps a device id in the home folder and reports usage to its maker
# unless this is set before it is first loaded. What people say here stays here.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
