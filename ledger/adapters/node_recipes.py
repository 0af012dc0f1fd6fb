"""The expressions that a node evaluates, one call each (native-driver.md sections 3 and 5).

A call that changes does all of its steps in the node, which works an expression off to its end,
so that no kill of the command falls between them. Reasons of OTP come back as its text, cut and
without the arguments of a stack trace; values of settings never leave the node.
"""

from collections.abc import Iterable

# A reason as text: of an exit only the name of the reason and the functions, not their arguments.
_SAFE = """\
Name = fun(A) when is_atom(A) -> A;
  (T) when is_tuple(T), tuple_size(T) > 0, is_atom(element(1, T)) -> {element(1, T), '...'};
  (_) -> '...' end,
Stack = fun(S) -> [{M, F, if is_list(A) -> length(A); true -> A end} || {M, F, A, _} <- lists:sublist(S, 4)] end,
Safe = fun({'EXIT', {R, [T | _] = S}}) when tuple_size(T) =:= 4 -> {'EXIT', {Name(R), Stack(S)}};
  ({'EXIT', R}) -> {'EXIT', Name(R)};
  ({R, [T | _] = S}) when tuple_size(T) =:= 4 -> {Name(R), Stack(S)};
  (R) -> R end,
Text = fun(R) -> unicode:characters_to_binary(io_lib:format("~0tp", [Safe(R)], [{chars_limit, 1000}])) end,
"""
# The settings of all running applications by application and name, each with the hash of its value.
_SETTINGS = """\
Settings = fun() -> maps:from_list([{{A, K}, erlang:phash2(V, 1 bsl 32)} ||
  {A, _, _} <- application:which_applications(), {K, V} <- application:get_all_env(A)]) end,
Label = fun({A, K}) -> unicode:characters_to_binary(io_lib:format("~ts/~ts", [A, K])) end,
"""

OBSERVE = """\
B = fun unicode:characters_to_binary/1,
H = whereis(release_handler),
At = case H of undefined -> none; _ -> process_info(H, current_function) end,
Releases = case At of
  {current_function, {gen_server, loop, _}} ->
    try [{B(V), S, [B(L) || L <- Libs]} || {_, V, Libs, S} <- gen_server:call(release_handler, which_releases, 2000)]
    catch exit:{timeout, _} -> busy; exit:_ -> none end;
  {current_function, _} -> busy;
  _ -> none end,
Start = erlang:convert_time_unit(erlang:system_info(start_time) + erlang:time_offset(), native, microsecond),
Pid = fun(undefined) -> <<>>; (P) -> list_to_binary(pid_to_list(P)) end,
#{releases => Releases, booted => B(element(2, init:script_id())), status => element(1, init:get_status()),
  code => case application:get_key(emqx, vsn) of {ok, V} -> B(V); undefined -> none end,
  os_pid => list_to_integer(os:getpid()), erts => B(erlang:system_info(version)),
  otp => B(erlang:system_info(otp_release)), cpu => B(erlang:system_info(system_architecture)),
  root => B(code:root_dir()), node => atom_to_binary(node(), utf8), started_us => Start,
  generation => Pid(whereis(application_controller)), heart => whereis(heart) =/= undefined}"""

REREAD = """\
ok = supervisor:terminate_child(sasl_sup, release_handler),
{ok, _} = supervisor:restart_child(sasl_sup, release_handler), ok"""


def quoted(text: str) -> str:
    """Return *text* as an Erlang string, whatever it holds."""
    plain = all(" " <= character <= "~" and character not in '"\\' for character in text)
    return f'"{text}"' if plain else f"[{','.join(str(ord(character)) for character in text)}]"


def set_unpacked(vsn: str) -> str:
    """Register what was placed; from OTP 25 on with relative folders, as unpacking itself does."""
    return f"""{_SAFE}
ok = file:set_cwd(code:root_dir()),
F = filename:join([code:root_dir(), "releases", {quoted(vsn)}, "emqx.rel"]),
{{ok, [{{release, _, _, Libs}}]}} = file:consult(F),
Dirs = case list_to_integer(erlang:system_info(otp_release)) >= 25 of
  true -> [{{element(1, L), element(2, L), "lib"}} || L <- Libs]; false -> [] end,
case release_handler:set_unpacked(F, Dirs) of
  {{ok, _}} -> ok; {{error, {{existing_release, _}}}} -> ok; {{error, R}} -> {{failed, Text(R)}} end"""


def install(vsn: str) -> str:
    """Check, write arguments and settings, install: one call (native-driver.md 5.3)."""
    return f"""{_SAFE}{_SETTINGS}
V = {quoted(vsn)},
ok = file:set_cwd(code:root_dir()), Dir = filename:join([code:root_dir(), "releases", V]),
Put = fun(N, Bin) -> Tmp = filename:join(Dir, "." ++ N ++ ".ledger-tmp"),
  {{ok, Fd}} = file:open(Tmp, [write, raw, binary]), ok = file:change_mode(Tmp, 8#640), ok = file:write(Fd, Bin),
  ok = file:sync(Fd), ok = file:close(Fd), ok = file:rename(Tmp, filename:join(Dir, N)) end,
case release_handler:check_install_release(V) of
  {{ok, _, _}} ->
    case init:get_argument(vm_args) of
      {{ok, Named}} -> {{ok, Args}} = file:read_file(lists:last(lists:last(Named))), Put("vm.args", Args);
      error -> ok end,
    Conf = [{{A, Env}} || {{A, _, _}} <- application:which_applications(),
      Env <- [application:get_all_env(A)], Env =/= []],
    Put("sys.config", unicode:characters_to_binary(io_lib:format("~tp.", [Conf]))),
    Was = Settings(),
    case release_handler:install_release(V, [{{update_paths, true}}]) of
      {{error, R}} -> {{install_failed, Text(R)}};
      _ ->
        Is = Settings(), All = maps:keys(maps:merge(Was, Is)),
        Changed = [{{Label(K), case {{maps:is_key(K, Was), maps:is_key(K, Is)}} of
          {{false, _}} -> added; {{_, false}} -> removed; _ -> changed end}} ||
            K <- lists:sort(All), maps:find(K, Was) =/= maps:find(K, Is)],
        {{installed, Changed}} end;
  {{error, R}} -> {{check_failed, Text(R)}} end"""


def make_permanent(vsn: str, *, renames: Iterable[tuple[str, str]], saved: str, restored: str) -> str:
    """Rename what was staged, then make permanent; where either fails *saved* goes back to *restored* (5.4)."""
    pairs = ", ".join(f"{{{quoted(source)}, {quoted(target)}}}" for source, target in renames)
    return f"""{_SAFE}
V = {quoted(vsn)},
case lists:keyfind(V, 1, [{{X, S}} || {{_, X, _, S}} <- release_handler:which_releases()]) of
  {{_, S}} when S =:= current; S =:= permanent ->
    Back = fun(R) -> ok = file:rename({quoted(saved)}, {quoted(restored)}), {{failed, Text(R)}} end,
    case [E || {{T, D}} <- [{pairs}], E <- [file:rename(T, D)], E =/= ok] of
      [] -> case release_handler:make_permanent(V) of ok -> ok; {{error, R}} -> Back(R) end;
      [E | _] -> Back(E) end;
  {{_, S}} -> {{failed, Text({{bad_status, S}})}};
  false -> {{failed, Text({{no_such_release, V}})}} end"""


def remove(vsn: str) -> str:
    """Remove a release."""
    return f"""{_SAFE}
ok = file:set_cwd(code:root_dir()),
case release_handler:remove_release({quoted(vsn)}) of ok -> ok; {{error, R}} -> {{failed, Text(R)}} end"""
