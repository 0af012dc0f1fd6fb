"""Registration, where one host or many share a ledger.

Issue 9: the hosts of a fleet have EMQX at one and the same root, ``/usr/lib/emqx``, in one ledger.
"""

from dataclasses import replace

import pytest

from ledger.application.registration import Claim, NodeElsewhereError, Registration, RootTakenError, register
from ledger.domain.records import Context
from tests.fakes.desk import FACTS, STREAM, Desk
from tests.fakes.recording import CONTEXT

HERE, THERE = CONTEXT.source.host_id, "f" * 64
OTHER = "release:emqx@10.0.0.8:rehearsal:0badcafe"


def registered(desk: Desk, stream: str, *, host: str | None) -> Registration:
    """Register what lies at the root of *desk* as *host* does; None is a host that shares its ledger with nobody."""
    name = stream.split(":")[1]

    def context(attempt: str | None) -> Context:
        source = replace(CONTEXT.source, host_id=host or THERE)
        return replace(CONTEXT, node=name, attempt=attempt, source=source)

    claim = Claim(stream=stream, root=str(desk.root), facts=FACTS, host=host)
    return register(claim, record=desk.record, handler=desk.handler, lock=desk.lock, contexts=context)


def test_the_same_root_on_another_host_is_another_installation(desk: Desk) -> None:
    made = registered(desk, OTHER, host=THERE)

    assert (made.event, made.node.node, made.node.root) == (1, "emqx@10.0.0.8", desk.node.root)
    assert (desk.node.host, made.node.host) == (HERE, THERE)
    assert registered(desk, OTHER, host=THERE).event is None


def test_a_root_is_taken_on_its_own_host(desk: Desk) -> None:
    with pytest.raises(RootTakenError) as alone:
        registered(desk, OTHER, host=None)
    with pytest.raises(RootTakenError) as shared:
        registered(desk, OTHER, host=HERE)

    assert "machine-id" not in alone.value.hint
    assert "machine-id" in shared.value.hint


def test_a_name_that_another_host_has_is_not_joined_in_silence(desk: Desk) -> None:
    with pytest.raises(NodeElsewhereError, match=r"emqx@10\.0\.0\.7 is on another host"):
        registered(desk, STREAM, host=THERE)

    assert registered(desk, STREAM, host=HERE).event is None
    assert registered(desk, STREAM, host=None).event is None
