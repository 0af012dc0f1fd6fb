%% What bin/emqx of the lab runs for its release commands: the vendor's documented behaviour
%% (otp.md 2 to 7), faults included. escript install_upgrade.escript COMMAND NODE COOKIE ARGUMENTS.
%%
%% The package is unzipped into a folder that stays behind and packed again as a tarball, on this
%% side; the node then extracts and registers it. Files are written in place, emqx_vars last.
%% Unlike the vendor's, the folder lies below data/, so that tests leave nothing in /tmp.
-define(SECONDS, 300000).
-define(SCRIPTS, ["emqx", "emqx_ctl", "nodetool", "cuttlefish", "install_upgrade.escript"]).

main(Arguments) ->
    command(Arguments),
    halt(0).

command(["versions", Name, Cookie]) ->
    versions(connect(Name, Cookie));
command([Command, Name, Cookie | Rest]) when Command =/= "versions" ->
    Node = connect(Name, Cookie),
    [Vsn | _] = lists:reverse([Argument || Argument <- Rest, Argument =/= "--no-permanent"]) ++ ["undefined"],
    ok = call(Node, file, set_cwd, [root()]),
    run(Command, Node, Vsn, not lists:member("--no-permanent", Rest)).

run("uninstall", Node, V, _) ->
    copy_no_dot_erlang(running(Node)),
    case status(Node, V) of
        undefined -> say("Release ~s is already uninstalled.", [V]);
        current -> fail(2, "Uninstall failed: Release ~s is marked current.", [V]);
        permanent -> fail(2, "Uninstall failed: Release ~s is running.", [V]);
        Status ->
            Dot = case Status of old -> "."; unpacked -> "" end,
            say("Release ~s is marked ~s, uninstalling it~s", [V, Status, Dot]),
            case call(Node, release_handler, remove_release, [V]) of
                ok -> say("Uninstalled Release: ~s", [V]);
                {error, R} -> fail(3, "ERROR: release_handler:remove_release failed: ~p", [R])
            end
    end;
run("unpack", Node, V, _) ->
    check_minor(V, running(Node)),
    case known(Node, V) of
        undefined -> unpack(Node, V, "");
        old -> say("Release ~s is marked old.", [V]);
        unpacked -> say("Release ~s is already unpacked.", [V]);
        current -> say("Release ~s is already installed and current.", [V]);
        permanent -> say("Release ~s is already installed and set permanent.", [V])
    end;
run(_, Node, V, Permanent) ->
    Running = running(Node),
    check_minor(V, Running),
    case known(Node, V) of
        undefined ->
            unpack(Node, V, "."),
            install(Node, V, Permanent);
        old ->
            say("Release ~s is marked old, switching to it.", [V]),
            install(Node, V, Permanent);
        unpacked ->
            say("Release ~s is already unpacked, now installing.", [V]),
            install(Node, V, Permanent);
        current when Permanent ->
            say("Release ~s is already installed and current, making permanent.", [V]),
            permanent(Node, V);
        current ->
            say("Release ~s is already installed and current.", [V]);
        permanent when Running =:= V ->
            say("Release ~s is already installed, running and set permanent.", [V]);
        permanent ->
            say("Release ~s is the currently running version.", [Running]),
            install(Node, V, Permanent)
    end.

install(Node, V, Permanent) ->
    Folder = filename:join("releases", V),
    {ok, [[VmArgs]]} = call(Node, init, get_argument, [vm_args]),
    {ok, _} = file:copy(VmArgs, filename:join(Folder, "vm.args")),
    Conf = [{A, Env} || {A, _, _} <- call(Node, application, which_applications, []),
                        Env <- [call(Node, application, get_all_env, [A])], Env =/= []],
    ok = file:write_file(filename:join(Folder, "sys.config"), io_lib:format("~p.", [Conf])),
    case call(Node, release_handler, check_install_release, [V]) of
        {ok, _, _} -> ok;
        {error, R} -> fail(3, "ERROR: release_handler:check_install_release failed: ~p.", [R])
    end,
    case call(Node, release_handler, install_release, [V, [{update_paths, true}]]) of
        {ok, _, _} -> say("Installed Release: ~s.", [V]);
        {error, Reason} -> fail(4, "ERROR: release_handler:install_release failed: ~p", [Reason])
    end,
    [permanent(Node, V) || Permanent].

permanent(Node, V) ->
    ok = call(Node, release_handler, make_permanent, [V]),
    say("Made release permanent: ~p", [V]),
    [{ok, _} = file:copy("bin/" ++ S ++ "-" ++ V, "bin/" ++ S) || S <- ?SCRIPTS],
    copy_no_dot_erlang(V),
    {ok, StartErl} = file:read_file("releases/start_erl.data"),
    [Erts, _] = string:lexemes(StartErl, " "),
    Lines = io_lib:format("REL_VSN=\"~s\"~nERTS_VSN=\"~s\"~n", [V, Erts]),
    ok = file:write_file("releases/emqx_vars", Lines, [append]).

%% A release whose start.boot is missing counts as unknown, and is then registered on this side:
%% RELEASES is written anew with it alone (otp.md 6.3).
known(Node, V) ->
    case {status(Node, V), filelib:is_regular("releases/" ++ V ++ "/start.boot")} of
        {unpacked, false} ->
            ok = erl_tar:extract(package(V), [compressed, keep_old_files]),
            RelFile = filename:join([root(), "releases", V, "emqx.rel"]),
            {ok, [{release, _, _, Libs}]} = file:consult(RelFile),
            Dirs = [{element(1, L), element(2, L), filename:join(root(), "lib")} || L <- Libs],
            ok = release_handler:create_RELEASES(root(), filename:join(root(), "releases"), RelFile, Dirs),
            unpacked;
        {Status, _} -> Status
    end.

unpack(Node, V, Dot) ->
    case package(V) of
        none -> unpack_failed(Node, release_package_not_found, Dot);
        Tarball ->
            say("Release ~s not found, attempting to unpack ~s", [V, Tarball]),
            Link = "releases/" ++ V ++ "/emqx.tar.gz",
            ok = filelib:ensure_dir(Link),
            file:delete(Link),
            ok = file:make_symlink(filename:absname(Tarball), Link),
            case call(Node, release_handler, unpack_release, [V ++ "/emqx"]) of
                {ok, V} -> say("Unpacked successfully: ~p~s", [V, Dot]);
                {error, Reason} -> unpack_failed(Node, Reason, Dot)
            end
    end.

unpack_failed(Node, Reason, Dot) ->
    say("Unpack failed: ~p~s", [Reason, case Dot of "" -> "."; _ -> "" end]),
    versions(Node),
    halt(2).

package(V) ->
    Zips = filelib:wildcard("releases/emqx-*" ++ V ++ "*.zip"),
    say("unzip ~p", [Zips]),
    [repack(Zip, V) || Zip <- Zips],
    ok = file:set_cwd(root()),
    Places = ["releases/emqx-" ++ V ++ ".tar.gz", "releases/" ++ V ++ "/emqx-" ++ V ++ ".tar.gz",
              "releases/" ++ V ++ "/emqx.tar.gz"],
    hd([Place || Place <- Places, filelib:is_regular(Place)] ++ [none]).

%% The working directory is not set back, so that a second package is not found.
repack(Zip, V) ->
    Folder = filename:join(root(), "data/emqx_untar_" ++ integer_to_list(erlang:system_time())),
    ok = filelib:ensure_dir(filename:join(Folder, "x")),
    {ok, _} = file:copy(Zip, filename:join(Folder, "emqx.zip")),
    ok = file:set_cwd(Folder),
    {ok, _} = zip:extract("emqx.zip"),
    ok = file:set_cwd("emqx"),
    {ok, Names} = file:list_dir("."),
    ok = erl_tar:create(filename:join(root(), "releases/emqx-" ++ V ++ ".tar.gz"), Names, [compressed]).

versions(Node) ->
    say("Installed versions:", []),
    [say("* ~s\t~s", [V, S]) || {V, S} <- table(Node)],
    say("", []).

%% The vendor's nodetool looks into RELEASES for what boots, and does not live without it (otp.md 6.3 to 6.5).
connect(Name, Cookie) ->
    Node = list_to_atom(Name),
    {ok, _} = net_kernel:start([list_to_atom("emqx_script" ++ os:getpid() ++ "@127.0.0.1"), longnames]),
    erlang:set_cookie(Node, list_to_atom(Cookie)),
    ok = file:set_cwd(root()),
    case {net_kernel:hidden_connect_node(Node), file:consult("releases/RELEASES")} of
        {true, {ok, [Releases]}} -> lists:keymember(os:getenv("REL_VSN"), 3, Releases) orelse not_running();
        _ -> not_running()
    end,
    Node.

not_running() ->
    fail(1, "Node is not running!", []).

check_minor(V, Running) ->
    case {minor(V), minor(Running)} of
        {Same, Same} -> ok;
        _ ->
            say("Cannot upgrade/downgrade to ~s from ~s", [V, Running]),
            say("We only support relup between patch versions", []),
            error({relup_not_allowed, unsupported_target_version})
    end.

minor(V) ->
    [Major, Minor, _] = string:split(V, ".", all),
    {Major, Minor}.

status(Node, V) ->
    proplists:get_value(V, table(Node)).

running(Node) ->
    Table = table(Node),
    {V, _} = lists:keyfind(case lists:keymember(current, 2, Table) of true -> current; _ -> permanent end, 2, Table),
    V.

table(Node) ->
    [{V, S} || {_, V, _, S} <- call(Node, release_handler, which_releases, [])].

copy_no_dot_erlang(V) ->
    {ok, _} = file:copy("releases/" ++ V ++ "/no_dot_erlang.boot", "bin/no_dot_erlang.boot").

call(Node, Module, Function, Arguments) ->
    rpc:call(Node, Module, Function, Arguments, ?SECONDS).

root() ->
    os:getenv("RUNNER_ROOT_DIR").

fail(Code, Format, Arguments) ->
    say(Format, Arguments),
    halt(Code).

say(Format, Arguments) ->
    io:format(Format ++ "~n", Arguments).
