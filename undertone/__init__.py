"""What Undertone's programs share: audio, models, predictions, storage, the web.

The rule of the house, kept by ``tests/test_layers.py``: the top-level modules import this
package; nothing in here imports the top level.
"""

__version__ = "0.1.0"
