"""Web layer: request and response models, views, and access control."""
