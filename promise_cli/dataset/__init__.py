"""A dataset on disk: its folder, fingerprint, folds, plan and preprocessed cases."""
