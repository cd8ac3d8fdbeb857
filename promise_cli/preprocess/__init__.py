"""The command promise-preprocess: make fingerprint, plan, folds and preprocessed cases from a dataset folder."""
