"""The worker's entry: poll the queues of the stack that the environment names, until SIGTERM."""

from pileus.cli.worker import work

if __name__ == "__main__":
    work()
