"""The contract of the drivers on a real node."""

import pytest

from tests.contracts.release_handler import ReleaseHandlerContract

pytestmark = pytest.mark.erlang


class TestErlangNode(ReleaseHandlerContract):
    """OTP's release handler behind ``erl_call``."""
