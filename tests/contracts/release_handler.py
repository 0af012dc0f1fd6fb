"""What every driver must do: the release handler of one node, whatever runs behind the port.

A driver binds the suite in one small class whose fixture ``bench`` gives a node of 4.4.0 that was
just started. Packages of 4.4.1 and 4.4.16 have ways between each other and 4.4.0; 4.4.17 has one to
4.4.16 alone, 4.4.24 has no relup.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger.adapters.installation import Installation
from ledger.adapters.package_files import inspect_package
from ledger.adapters.package_layout import SCRIPTS
from ledger.application.ports import CheckRefusedError, ReleaseHandler, StepFailedError
from ledger.domain.observation import Observation
from ledger.domain.outcomes import Removed, StagedPackage, Unpacked
from ledger.domain.tables import Tables, table_from
from ledger.domain.version import Vsn
from tests.fakes.small_releases import package_of

ATTEMPT = "0190d1ab-1234-7abc-8def-0123456789ab"
BOOT_FILES = ("RELEASES", "start_erl.data", "emqx_vars")


@dataclass(frozen=True)
class Bench:
    """One node: its driver, its root, and a folder of packages."""

    handler: ReleaseHandler
    root: Path
    packages: Path

    @property
    def files(self) -> Installation:
        """The files of the root."""
        return Installation(self.root)

    def package(self, vsn: str) -> Path:
        """Return the package of *vsn*."""
        return package_of(self.packages, vsn)

    def stage(self, vsn: str) -> StagedPackage:
        """Put the package of *vsn* into ``releases/`` and lay it out."""
        path = self.package(vsn)
        target = self.root / "releases" / path.name
        shutil.copyfile(path, target)
        return self.handler.stage_release(
            inspect_package(target, vsn=Vsn.parse(vsn)), attempt=ATTEMPT, progress=lambda _, __: None
        )

    def unpack(self, vsn: str) -> Unpacked:
        """Unpack *vsn*."""
        return self.handler.unpack_release(self.stage(vsn))

    def install(self, vsn: str) -> None:
        """Unpack and install *vsn*."""
        self.unpack(vsn)
        self.handler.install_release(vsn)

    def upgrade(self, vsn: str) -> None:
        """Unpack and install *vsn* for good."""
        self.install(vsn)
        self.handler.make_permanent(vsn)

    def seen(self) -> Tables:
        """Return the tables that the node shows."""
        return self.handler.observe().tables

    def boot_files(self) -> dict[str, bytes]:
        """Return the content of the boot files."""
        return {name: (self.root / "releases" / name).read_bytes() for name in BOOT_FILES}

    def has(self, path: str) -> bool:
        """Tell whether *path* is there."""
        return (self.root / path).exists()


def tables(memory: str, *, disk: str | None = None, boots: str = "4.4.0") -> Tables:
    """Return tables from ``4.4.1 current, 4.4.0 permanent``; the disk is as memory unless it is told."""
    rows = [table_from([row.split() for row in text.split(", ")]) for text in (memory, disk or memory)]
    return Tables(memory=rows[0], disk=rows[1], start_erl=boots, rel_vsn=boots)


class ReleaseHandlerContract:
    """The behaviour that the use cases build on."""

    def test_a_fresh_node_runs_its_permanent_release(self, bench: Bench) -> None:
        seen = bench.handler.observe()

        assert seen.tables == tables("4.4.0 permanent")
        assert (seen.booted, seen.code, seen.problems) == ("4.4.0", "4.4.0", ())
        assert seen.erts is not None
        assert dict(seen.erts_of) == {"4.4.0": seen.erts}

    def test_looking_changes_nothing(self, bench: Bench) -> None:
        first = bench.handler.observe()

        assert bench.handler.observe() == first

    def test_staging_changes_nothing_that_the_node_or_its_files_show(self, bench: Bench) -> None:
        before, files = bench.handler.observe(), bench.boot_files()

        staged = bench.stage("4.4.16")

        assert bench.handler.observe() == before
        assert bench.boot_files() == files
        assert not bench.has("releases/4.4.16")
        assert not bench.has("lib/emqx-4.4.16")
        assert staged.set_aside == ()

    def test_an_unpacked_release_is_first_in_memory_and_on_disk(self, bench: Bench) -> None:
        """otp.md 2.1 and section 1: the list is never sorted."""
        for vsn in ("4.4.16", "4.4.1"):
            bench.unpack(vsn)

        assert bench.seen() == tables("4.4.1 unpacked, 4.4.16 unpacked, 4.4.0 permanent")

    def test_unpacking_brings_the_files_of_the_release(self, bench: Bench) -> None:
        """otp.md section 4: success removes releases/V/emqx.rel."""
        unpacked = bench.unpack("4.4.16")

        assert (unpacked.vsn, unpacked.erts) == ("4.4.16", bench.handler.observe().erts_of["4.4.16"])
        assert unpacked.files > 0
        assert all(bench.has(f"bin/{script}-4.4.16") for script in SCRIPTS)
        assert bench.has("releases/4.4.16/start.boot")
        assert bench.has("lib/emqx-4.4.16")
        assert not bench.has("releases/4.4.16/emqx.rel")
        assert not bench.has("releases/.ledger-4.4.16")

    def test_unpacking_replaces_no_file_that_exists(self, bench: Bench) -> None:
        """otp.md section 4: "keep existing files"."""
        script = bench.root / "bin/emqx"
        before = script.read_bytes()

        bench.unpack("4.4.16")

        assert script.read_bytes() == before

    def test_unpacking_again_puts_back_what_is_missing(self, bench: Bench) -> None:
        """PRODUCT section 3: repairs that are part of the verb."""
        bench.unpack("4.4.16")
        before = bench.seen()
        shutil.rmtree(bench.root / "releases/4.4.16")

        again = bench.unpack("4.4.16")

        assert bench.has("releases/4.4.16/start.boot")
        assert again.vsn == "4.4.16"
        assert bench.seen() == before

    def test_installing_makes_current_and_writes_no_boot_file(self, bench: Bench) -> None:
        """otp.md 2.2."""
        bench.unpack("4.4.16")
        files = bench.boot_files()

        bench.handler.install_release("4.4.16")

        seen = bench.handler.observe()
        assert seen.tables == tables("4.4.16 current, 4.4.0 permanent", disk="4.4.16 unpacked, 4.4.0 permanent")
        assert (seen.code, seen.booted) == ("4.4.16", "4.4.0")
        assert bench.boot_files() == files

    def test_a_second_trial_makes_the_first_old(self, bench: Bench) -> None:
        """otp.md 2.2, third row."""
        for vsn in ("4.4.1", "4.4.16"):
            bench.install(vsn)

        assert bench.seen() == tables(
            "4.4.16 current, 4.4.1 old, 4.4.0 permanent", disk="4.4.16 unpacked, 4.4.1 unpacked, 4.4.0 permanent"
        )

    def test_installing_back_leaves_the_permanent_release_permanent(self, bench: Bench) -> None:
        bench.install("4.4.16")

        bench.handler.install_release("4.4.0")

        assert bench.seen() == tables("4.4.16 old, 4.4.0 permanent", disk="4.4.16 unpacked, 4.4.0 permanent")
        assert bench.handler.observe().code == "4.4.0"

    def test_an_old_release_is_installed_again(self, bench: Bench) -> None:
        bench.upgrade("4.4.16")

        bench.handler.install_release("4.4.0")

        assert bench.seen() == tables(
            "4.4.16 permanent, 4.4.0 current", disk="4.4.16 permanent, 4.4.0 old", boots="4.4.16"
        )

    @pytest.mark.parametrize(
        ("vsn", "broken", "reason"),
        [
            ("4.4.24", None, "{enoent,"),
            ("4.4.17", None, "{enoent,"),
            ("4.4.16", "releases/4.4.16/start.boot", "{no_such_file,"),
            ("4.4.16", "lib/emqx-4.4.16", "{no_such_file,"),
        ],
    )
    def test_a_check_that_fails_gives_the_reason_of_otp_and_changes_nothing(
        self, bench: Bench, vsn: str, broken: str | None, reason: str
    ) -> None:
        """otp.md 3.1: the running 4.4.0 has no relup file of its own."""
        bench.unpack(vsn)
        if broken is not None:
            _delete(bench.root / broken)
        before, files = bench.handler.observe(), bench.boot_files()

        with pytest.raises(CheckRefusedError) as caught:
            bench.handler.install_release(vsn)

        assert caught.value.code == 3
        assert caught.value.otp_reason.startswith(reason)
        assert bench.handler.observe() == before
        assert bench.boot_files() == files

    def test_a_way_that_no_relup_knows_is_no_matching_relup(self, bench: Bench) -> None:
        """otp.md 3.1: the running release has a relup file."""
        bench.upgrade("4.4.1")
        bench.unpack("4.4.17")

        with pytest.raises(CheckRefusedError) as caught:
            bench.handler.install_release("4.4.17")

        assert caught.value.otp_reason == '{no_matching_relup,"4.4.17","4.4.1"}'

    def test_a_relup_that_is_no_term_is_a_bad_relup_file(self, bench: Bench) -> None:
        """otp.md 3.1."""
        bench.unpack("4.4.16")
        (bench.root / "releases/4.4.16/relup").write_text('{"4.4.16", [broken', encoding="utf-8")

        with pytest.raises(CheckRefusedError, match="check_install_release") as caught:
            bench.handler.install_release("4.4.16")

        assert caught.value.otp_reason.startswith("{bad_relup_file,")

    def test_what_runs_as_a_trial_is_installed_already(self, bench: Bench) -> None:
        """otp.md 2.1: error already_installed."""
        bench.install("4.4.16")
        before = bench.handler.observe()

        with pytest.raises(CheckRefusedError) as caught:
            bench.handler.install_release("4.4.16")

        assert caught.value.otp_reason == '{already_installed,"4.4.16"}'
        assert bench.handler.observe() == before

    def test_an_unknown_release_is_not_installed(self, bench: Bench) -> None:
        with pytest.raises(CheckRefusedError) as caught:
            bench.handler.install_release("4.4.16")

        assert caught.value.otp_reason == '{no_such_release,"4.4.16"}'

    def test_making_permanent_lets_all_boot_files_name_the_release(self, bench: Bench) -> None:
        """PRODUCT section 12: no half-permanent state."""
        bench.upgrade("4.4.16")

        assert bench.seen() == tables("4.4.16 permanent, 4.4.0 old", boots="4.4.16")
        assert bench.seen().boot_files_agree()
        assert bench.files.read_start_erl().vsn == "4.4.16"

    def test_making_permanent_puts_the_scripts_of_the_release_in_place(self, bench: Bench) -> None:
        """otp.md 5.2."""
        bench.upgrade("4.4.16")

        for script in SCRIPTS:
            in_place = bench.root / "bin" / script
            assert in_place.read_bytes() == (bench.root / "bin" / f"{script}-4.4.16").read_bytes()
            assert in_place.stat().st_mode & 0o111
        boot = bench.root / "releases/4.4.16/no_dot_erlang.boot"
        assert (bench.root / "bin/no_dot_erlang.boot").read_bytes() == boot.read_bytes()

    def test_making_permanent_again_changes_nothing(self, bench: Bench) -> None:
        """otp.md 2.1: ok, nothing written."""
        bench.upgrade("4.4.16")
        before, files = bench.handler.observe(), bench.boot_files()

        bench.handler.make_permanent("4.4.16")

        assert bench.handler.observe() == before
        assert bench.boot_files() == files

    def test_a_trial_of_an_old_release_stays_unwritten_when_the_permanent_one_is_made_permanent(
        self, bench: Bench
    ) -> None:
        """otp.md 2.2: make permanent of what is already permanent writes no table."""
        bench.install("4.4.16")
        bench.handler.install_release("4.4.0")

        bench.handler.make_permanent("4.4.0")

        assert bench.seen() == tables("4.4.16 old, 4.4.0 permanent", disk="4.4.16 unpacked, 4.4.0 permanent")

    def test_what_does_not_run_is_not_made_permanent(self, bench: Bench) -> None:
        """otp.md 2.1: error bad_status."""
        bench.unpack("4.4.16")
        before, files = bench.handler.observe(), bench.boot_files()

        with pytest.raises(StepFailedError) as caught:
            bench.handler.make_permanent("4.4.16")

        assert caught.value.otp_reason == "{bad_status,unpacked}"
        assert bench.handler.observe() == before
        assert bench.boot_files() == files

    def test_removing_takes_what_no_other_release_uses(self, bench: Bench) -> None:
        """otp.md section 7."""
        bench.unpack("4.4.16")

        removed = bench.handler.remove_release("4.4.16")

        assert bench.seen() == tables("4.4.0 permanent")
        assert set(removed.removed) == {"lib/emqx-4.4.16", "releases/4.4.16"}
        assert not any(map(bench.has, removed.removed))
        assert all(map(bench.has, removed.stays))
        assert removed.missing == ()

    def test_removing_leaves_package_scripts_and_what_releases_share(self, bench: Bench) -> None:
        """otp.md section 7."""
        bench.unpack("4.4.16")

        removed = bench.handler.remove_release("4.4.16")

        package = f"releases/{bench.package('4.4.16').name}"
        assert {package, *(f"bin/{script}-4.4.16" for script in SCRIPTS)} <= set(removed.stays)
        assert bench.has("lib/emqx-4.4.0")
        assert bench.has("releases/4.4.0/start.boot")

    def test_a_removed_release_is_unpacked_again(self, bench: Bench) -> None:
        """otp.md section 7: it appears first in the list."""
        bench.upgrade("4.4.16")
        bench.handler.remove_release("4.4.0")
        bench.unpack("4.4.1")
        bench.handler.remove_release("4.4.1")

        bench.unpack("4.4.1")

        assert bench.seen() == tables("4.4.1 unpacked, 4.4.16 permanent", boots="4.4.16")

    def test_removing_what_lost_parts_removes_the_rest_and_names_them(self, bench: Bench) -> None:
        """PRODUCT section 3: EMQX gets stuck there."""
        bench.unpack("4.4.16")
        shutil.rmtree(bench.root / "lib/emqx-4.4.16")

        removed = bench.handler.remove_release("4.4.16")

        assert (removed.removed, removed.missing) == (("releases/4.4.16",), ("lib/emqx-4.4.16",))
        assert bench.seen() == tables("4.4.0 permanent")

    def test_removing_a_trial_of_the_past_writes_the_table(self, bench: Bench) -> None:
        """otp.md 2.2: a successful remove writes what memory says then."""
        bench.install("4.4.1")
        bench.install("4.4.16")

        assert isinstance(bench.handler.remove_release("4.4.1"), Removed)

        assert bench.seen() == tables("4.4.16 current, 4.4.0 permanent", disk="4.4.16 unpacked, 4.4.0 permanent")

    def test_the_permanent_release_is_not_removed(self, bench: Bench) -> None:
        """otp.md 2.1: error."""
        before, files = bench.handler.observe(), bench.boot_files()

        with pytest.raises(StepFailedError) as caught:
            bench.handler.remove_release("4.4.0")

        assert caught.value.otp_reason == '{permanent,"4.4.0"}'
        assert bench.handler.observe() == before
        assert bench.boot_files() == files
        assert bench.has("lib/emqx-4.4.0")

    def test_a_restart_loses_the_trial_and_is_another_run(self, bench: Bench) -> None:
        """otp.md 2.2, first row; PRODUCT section 7."""
        bench.install("4.4.16")
        before = bench.handler.observe()

        bench.handler.restart()

        after = bench.handler.observe()
        assert after.tables == before.tables.restarted() == tables("4.4.16 unpacked, 4.4.0 permanent")
        assert after.run != before.run
        assert (after.booted, after.code) == ("4.4.0", "4.4.0")

    def test_a_restart_keeps_what_is_permanent(self, bench: Bench) -> None:
        bench.upgrade("4.4.16")

        bench.handler.restart()

        assert bench.seen() == tables("4.4.16 permanent, 4.4.0 old", boots="4.4.16")
        assert bench.handler.observe().booted == "4.4.16"

    def test_a_trial_downgrade_is_old_again_after_a_restart(self, bench: Bench) -> None:
        """otp.md 2.2, fourth row."""
        bench.upgrade("4.4.16")
        bench.handler.install_release("4.4.0")

        bench.handler.restart()

        assert bench.seen() == tables("4.4.16 permanent, 4.4.0 old", boots="4.4.16")

    def test_a_sound_node_needs_no_recovery(self, bench: Bench) -> None:
        bench.upgrade("4.4.16")

        assert bench.handler.revive() == ()
        assert bench.handler.disagreements("4.4.16", scripts=True) == ()

    def test_boot_files_that_name_another_release_are_told_and_mended(self, bench: Bench) -> None:
        """otp.md 6.2: the state that EMQX's script leaves half permanent."""
        bench.upgrade("4.4.16")
        sound = bench.handler.observe()
        stale = bench.root / "releases/emqx_vars"
        stale.write_text('REL_VSN="4.4.0"\nERTS_VSN="12.1.5"\n', encoding="utf-8")

        told = bench.handler.disagreements("4.4.16", scripts=False)
        mended = bench.handler.agree_on("4.4.16", scripts=True)

        assert len(told) == len(mended) == 1
        assert "emqx_vars" in told[0]
        assert _shown(bench.handler.observe()) == _shown(sound)
        assert bench.handler.disagreements("4.4.16", scripts=True) == ()


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _shown(seen: Observation) -> tuple[object, ...]:
    return (seen.tables, seen.booted, seen.code, seen.problems)
