"""Run `promise-train` as `python -m promise_cli.train`, so that torchrun can start it."""

from promise_cli.cli.train import train_app

if __name__ == "__main__":
    train_app()
