"""`python -m promise_cli.train` is `promise-train`, so that torchrun can start it."""

from promise_cli.cli.train import train_app

if __name__ == "__main__":
    train_app()
