"""What reads a package, by its form: a zip or a tarball.

Each reader is imported when a package of its form is read; most packages are zips, and the
reader of tarballs needs ``tarfile`` beside what zips need.
"""

from collections.abc import Callable, Iterator

from ledger.adapters.package_members import Listing, Member
from ledger.adapters.package_tape import Tape
from ledger.domain.package_facts import PackageForm

Walk = Callable[[Tape], Iterator[tuple[Member, Iterator[memoryview | bytes]]]]


def list_package(form: PackageForm, tape: Tape, texts: frozenset[str], *, max_text: int) -> Listing:
    """Return what the package holds, with the content of the *texts* of at most *max_text* bytes.

    Raises: PackageReadError where it cannot be read as a package of that form at all.
    """
    if form is PackageForm.ZIP:
        from ledger.adapters.package_zip import list_zip  # noqa: PLC0415 # as the module says

        return list_zip(tape, texts, max_text=max_text)
    from ledger.adapters.package_tar import list_tar  # noqa: PLC0415 # as above

    return list_tar(tape, texts, max_text=max_text)


def walk_of(form: PackageForm) -> Walk:
    """Return what yields each member with its content, in a package that was listed."""
    if form is PackageForm.ZIP:
        from ledger.adapters.package_zip import walk_zip  # noqa: PLC0415 # as the module says

        return walk_zip
    from ledger.adapters.package_tar import walk_tar  # noqa: PLC0415 # as above

    return walk_tar
