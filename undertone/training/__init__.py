"""Training code: corpora, recipes and evaluation.

Only `model_trainer.py` imports it. The web process does not.
"""
