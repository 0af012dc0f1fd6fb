"""Faults: what is left when a command is killed, or the system refuses it, at any write to the disk.

Each call of the system that changes a file of installation, ledger or tip folder is counted
(`disk_calls`, `sqlite_calls`) in a child of the test process (`child`), and at one of them the
child is killed or told an error. `strace` on the same command shows that none is missed.
Afterwards `invariants` looks at the disk without the product's help, and `cases` lets the product
itself recover and go on.
"""
