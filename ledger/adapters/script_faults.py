"""Known faults of EMQX's script, looked for before it is run (otp.md 4, 6 and 8; native-driver.md 10).

Each is named with the fact it rests on and the way out, which is the node driver wherever that
does not have the fault. The version of the script in place is that of the known release whose
``install_upgrade.escript`` it is, else that of the release that boots.
"""

from pathlib import Path

from ledger.adapters.emqx_vars import rel_vsns
from ledger.adapters.erl_call import ExpressionError
from ledger.adapters.erlang_terms import Term
from ledger.adapters.installation import Installation
from ledger.domain.package_facts import PackageFacts, PackageForm
from ledger.domain.reason import Reason, Rule
from ledger.domain.vendor_scripts import WIPING, wipes_releases
from ledger.domain.version import Vsn

_ESCRIPT = "install_upgrade.escript"
_OTHERWISE = "use --driver node, which does not have this fault"
_MOST_NAMES = 5
_EACH = "{A, _, _} <- application:which_applications(), {K, V} <- application:get_all_env(A)"
_LABEL = 'unicode:characters_to_binary(io_lib:format("~ts/~ts", [A, K]))'

# The names of the settings that the script would print as no UTF-8: with ~p, one byte a character.
UNPRINTABLE = f"""[{_LABEL} || {_EACH},
  lists:any(fun(C) -> C > 127 end, lists:flatten(io_lib:format("~p", [{{K, V}}])))]"""
# The settings of all running applications, each with the hash of its value.
SETTINGS = f"[{{{_LABEL}, erlang:phash2(V, 1 bsl 32)}} || {_EACH}]"


def script_vsn(files: Installation) -> str:
    """Return the release whose script is in place.

    Raises: BootFileError.
    """
    boots = rel_vsns(files.read_vars())[-1]
    in_place = _content(files.root / "bin" / _ESCRIPT)
    names = sorted((files.root / "bin").glob(f"{_ESCRIPT}-*"), reverse=True)
    vsns = [path.name.removeprefix(f"{_ESCRIPT}-") for path in names if _content(path) == in_place is not None]
    return boots if boots in vsns or not vsns else vsns[0]


def fault_of_script(files: Installation) -> Reason | None:
    """Return what is wrong with the script in place: it tests wrongly whether a release is unpacked (otp.md 6.3)."""
    vsn = Vsn.known(script_vsn(files))
    if vsn is None or not wipes_releases(vsn):
        return None
    return Reason(
        Rule.STATUS,
        f"EMQX's script of {vsn} would damage RELEASES",
        f"in {WIPING}, installing an unpacked release writes RELEASES with that release alone, "
        "and no command of bin/emqx reaches the node afterwards",
        _OTHERWISE,
    )


def faults_of_package(files: Installation, package: PackageFacts) -> tuple[Reason, ...]:
    """Return what the script would stumble over on its search for *package* (otp.md 4)."""
    vsn = package.sound_vsn()
    reasons = []
    matching = sorted(path.name for path in files.releases.glob(f"emqx-*{vsn}*.zip"))
    wanted = [Path(package.path).name] if package.form is PackageForm.ZIP else []
    if matching != wanted:
        reasons.append(
            Reason(
                Rule.PACKAGE,
                f"EMQX's script would take a wrong package for {vsn}",
                f"it takes every releases/emqx-*{vsn}*.zip, and that is {', '.join(matching) or 'none'}",
                f"leave the package of {vsn} alone under such a name in releases/, or use --driver node",
            )
        )
    in_place = Vsn.known(script_vsn(files))
    link = files.releases / vsn / "emqx.tar.gz"
    if link.is_symlink() and in_place is not None and (in_place.major, in_place.minor, in_place.patch) < (4, 4, 2):
        reasons.append(
            Reason(Rule.PACKAGE, f"EMQX's script of {in_place} stops at a link that is there", str(link), _OTHERWISE)
        )
    return tuple(reasons)


def fault_of_repair(vsn: str) -> Reason:
    """Return why the script must not unpack a release again (otp.md 6.3)."""
    return Reason(
        Rule.STATUS,
        f"EMQX's script would damage RELEASES, unpacking {vsn} again",
        f"{vsn} is known to the node and parts of it are missing; the script writes RELEASES with {vsn} alone",
        _OTHERWISE,
    )


def fault_of_settings(names: Term) -> Reason | None:
    """Return what becomes of the settings whose *names* the node gave (native-driver.md 10).

    Raises: ExpressionError where it gave none.
    """
    if not isinstance(names, list) or not all(isinstance(name, bytes) for name in names):
        raise ExpressionError("its list of settings is not as expected")
    if not names:
        return None
    shown = [name.decode(errors="replace") for name in names[:_MOST_NAMES] if isinstance(name, bytes)]
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return Reason(
        Rule.STATUS,
        "EMQX's script would lose every setting of the running node",
        f"settings with a character from 128 to 255 make its sys.config unreadable: {', '.join(shown)}{more}",
        _OTHERWISE,
    )


def changed_settings(before: Term, after: Term) -> tuple[str, ...]:
    """Return, in words, which settings differ; values are hashes here.

    Raises: ExpressionError where the node gave something else.
    """
    was, now = _hashes(before), _hashes(after)
    names = sorted(name for name in was.keys() | now.keys() if was.get(name) != now.get(name))
    return tuple(f"{name} {_how(name in was, name in now)}" for name in names)


def _how(was: bool, now: bool) -> str:  # noqa: FBT001 # the two columns of a small table
    return "changed" if was and now else "added" if now else "removed"


def _hashes(term: Term) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in term if isinstance(term, list) else ():
        match item:
            case (bytes(name), int(value)):
                found[name.decode(errors="replace")] = value
            case _:
                raise ExpressionError("its list of settings is not as expected")
    return found


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
