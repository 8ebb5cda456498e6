"""The probe model: sources, splits, training, export and evaluation. Needs the `training` extra."""
