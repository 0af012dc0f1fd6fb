"""The commands, in the order in which people need them, each with its line in the list of commands.

Whatever lists commands reads it here: the two readers of a command line, completion, manual pages.
"""

from collections.abc import Mapping

COMMANDS: Mapping[str, str] = {
    "init": "Make a ledger and register the installation in it.",
    "register": "Register another installation.",
    "versions": "List the installed versions.",
    "nodes": "List the nodes: what each runs, when it was last seen, which were left behind.",
    "root_dir": "Print the root folder of the installation.",
    "unpack": "Unpack a release without installing it.",
    "install": "Install a release, up or down.",
    "permanent": "Make the current release permanent.",
    "upgrade": "Upgrade to a higher release.",
    "downgrade": "Go back to a lower release.",
    "uninstall": "Remove a release.",
    "fleet": "Plan a release for many nodes, in waves, and see how far it is.",
    "restart": "Restart the node and record what that undid.",
    "log": "List what happened, newest first.",
    "show": "Show one attempt or event in full.",
    "diff": "Compare two moments, two nodes or two ledgers.",
    "replay": "Fold every event afresh and compare.",
    "check": "Say what is in order, what is not, and what a restart would do.",
    "packages": "List the packages at hand and whether they may go now.",
    "unregister": "Let an installation leave the ledger; its history stays.",
    "note": "Write a note or a correction beside an event.",
    "key": "Name the keys by which the history is verified.",
    "witness": "Let others hold the history, or hold that of others.",
    "spool": "Tell or join what this host recorded while its ledger was out of reach.",
    "import": "Bring the history of another ledger into this one, with its proofs.",
    "move": "Let the ledger of this host go on elsewhere, with all that it holds.",
    "export": "Write evidence that others can check, or a listing.",
    "report": "Write a report for auditors, one HTML file that checks itself.",
    "recover": "Close an attempt that was interrupted.",
    "verify": "Verify the history, a bundle, or a log of other software.",
    "follow": "Keep the views of a ledger in PostgreSQL up to date.",
    "completion": "Print the script that completes commands in a shell.",
    "help": "Explain a topic or a command.",
}
