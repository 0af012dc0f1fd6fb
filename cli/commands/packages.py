"""List the packages in releases/: version, digest, whether each may go now, every reason why not, the way back."""

from cli.offering import list_packages
from cli.offline import answer as answer_from_here
from cli.session import Session

EXAMPLE = "packages --json"


def packages(*, session: Session) -> int:
    """Print them."""
    answer_from_here(session)
    return list_packages(session=session)
