"""The command promise-preprocess: it makes fingerprint, plan, folds and preprocessed cases from a dataset folder."""
