"""Every command and its line in `pileus --help`: listed here, so that the help page imports no command."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One command, or one group of commands, of the command line."""

    name: str
    panel: str
    """Heading under which the help lists it."""
    summary: str
    """One line."""
    elsewhere: str = ""
    """Name of the module that registers it, where that is not its own in this package."""

    @property
    def module(self) -> str:
        """Name of the module that registers it."""
        return self.elsewhere or f"pileus.cli.{self.name.replace('-', '_')}"


START, RUN, LOOK, CLOUD, TOOLS = "Start", "Run backfills", "Look at results", "On AWS", "Tools"
ENTRIES = [
    Entry("sample", START, "Run three synthetic months, show the statistics, stop everything."),
    Entry("init", START, "Write a small project that works at once."),
    Entry("create", START, "Write a task, a feeder or a workflow that works."),
    Entry("populate", START, "Validate all documents and give them to the stack: all or none."),
    Entry("schemas", START, "Write the JSON Schemas of the documents, for editors."),
    Entry("up", START, "Start the embedded AWS and workers."),
    Entry("env", START, "Print the variables by which AWS's own tools find the embedded stack."),
    Entry("down", START, "Stop what `pileus up` started."),
    Entry("plan", RUN, "Show what a backfill would do to each partition, and why."),
    Entry("backfill", RUN, "Start a backfill and print its id."),
    Entry("backfills", RUN, "List all backfills, newest first."),
    Entry("status", RUN, "Show the state of every point in time, and why something failed."),
    Entry("pause", RUN, "Start nothing new until `pileus resume`."),
    Entry("resume", RUN, "Continue a paused backfill."),
    Entry("cancel", RUN, "Stop a backfill; `pileus retry` begins again."),
    Entry("retry", RUN, "Run an ended backfill again for what did not succeed."),
    Entry("logs", RUN, "Show what workers wrote about one partition."),
    Entry("reconcile", RUN, "Find, and repair, what is missing, corrupt or out of date."),
    Entry("granules", RUN, "Granules: list, show, reingest, apply-workflow, move, remove."),
    Entry("runs", RUN, "Runs: start, list, show, input, output, events, logs, stop, rerun."),
    Entry("feed", RUN, "Hand in the payloads of a feeder: STAC search, inventory, rerun."),
    Entry("request", RUN, "Do a request of Stratus: operations over inputs, here or elsewhere."),
    Entry("rules", RUN, "Rules that start backfills, once or on a schedule."),
    Entry("workflows", RUN, "Workflows that points in time go through: list, show, draw."),
    Entry("tasks", RUN, "Tasks that workflows and collections name: list, show."),
    Entry("show", RUN, "Show a task, or its README, in Cirrus's words.", "pileus.cli.tasks"),
    Entry("dead-letters", RUN, "Messages in the dead-letter queues."),
    Entry("outputs", LOOK, "List, show, draw and export what was written."),
    Entry("serve", LOOK, "Serve the HTTP API and the page."),
    Entry("token", LOOK, "Tokens of the HTTP API: add, list, remove."),
    Entry("dashboard", LOOK, "Serve a page with maps, series and backfills."),
    Entry("doctor", CLOUD, "Check what a backfill or a deployment needs."),
    Entry("cost", CLOUD, "Estimate the dollars and minutes of a backfill on AWS."),
    Entry("synth", CLOUD, "Synthesize the CloudFormation templates."),
    Entry("diff", CLOUD, "Show what `pileus deploy` would change."),
    Entry("images", CLOUD, "Build the images that workers run in."),
    Entry("deploy", CLOUD, "Create or update the stacks in your AWS account."),
    Entry("destroy", CLOUD, "Remove the stacks; the buckets stay."),
    Entry("import", TOOLS, "Documents of Cumulus into the project.", "pileus.cli.cumulus_documents"),
    Entry("export", TOOLS, "The project's documents for Cumulus.", "pileus.cli.cumulus_documents"),
    Entry("discover", TOOLS, "List a provider's files for one point in time."),
    Entry("download", TOOLS, "Download files: parallel, resumed, verified."),
    Entry("stats", TOOLS, "Compute zonal statistics of rasters and archives."),
    Entry("run-task", TOOLS, "Run one Lambda or worker task here, on one event."),
    Entry("node", TOOLS, "Nodes of Stratus: start one, check its settings, list operations."),
    Entry("payload", TOOLS, "Payloads of Cirrus: their ids, checks, templates, what follows."),
    Entry("cma", TOOLS, "Do what the Cumulus Message Adapter does, for Cumulus's own clients."),
    Entry("worker", TOOLS, "Poll the queues and process groups until SIGTERM."),
]
