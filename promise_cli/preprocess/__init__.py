"""COMMAND promise-preprocess: dataset folder -> fingerprint.json, plans.json, splits.json, cases."""
