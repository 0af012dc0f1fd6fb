%% Builds the releases of the lab with systools: escript build.escript SOURCES OUT PLAN.
%%
%% PLAN holds one term a release: {Vsn, UpFrom, DownTo, Instructions}. UpFrom is `none` where the
%% release has no relup. Instructions is `update`, or the list that takes the place of the update
%% in every way up. OUT gets lib/emqx-V/ebin and releases/V with boot files, rel file and relup.

main([Sources, Out, PlanFile]) ->
    {ok, Plan} = file:consult(PlanFile),
    lists:foreach(fun(Release) -> compile_release(Sources, Out, Release) end, Plan),
    lists:foreach(fun({Vsn, _, _, _}) -> boot_files(Out, Vsn) end, Plan),
    lists:foreach(fun(Release) -> relup(Out, Release) end, Plan).

compile_release(Sources, Out, {Vsn, UpFrom, DownTo, Instructions}) ->
    Ebin = filename:join([Out, "lib", "emqx-" ++ Vsn, "ebin"]),
    ok = filelib:ensure_dir(filename:join(Ebin, "x")),
    [compile_module(Sources, Ebin, Vsn, M) || M <- modules()],
    App = {application, emqx, [
        {description, "lab"}, {vsn, Vsn}, {modules, modules()}, {registered, [emqx_lab, emqx_lab_sup]},
        {applications, [kernel, stdlib, sasl]}, {mod, {emqx_lab_app, []}}, {env, [{list_to_atom("since_" ++ Vsn), true}]}]},
    write(filename:join(Ebin, "emqx.app"), App),
    Update = [{update, emqx_lab, {advanced, []}}],
    Up = case Instructions of update -> Update; _ -> Instructions end,
    Ups = case UpFrom of none -> []; _ -> UpFrom end,
    write(filename:join(Ebin, "emqx.appup"), {Vsn, [{V, Up} || V <- Ups], [{V, Update} || V <- DownTo]}),
    Libs = [{A, vsn(A)} || A <- [kernel, stdlib, sasl]] ++ [{emqx, Vsn}],
    Rel = {release, {"emqx", Vsn}, {erts, erlang:system_info(version)}, Libs},
    Folder = filename:join([Out, "releases", Vsn]),
    ok = filelib:ensure_dir(filename:join(Folder, "x")),
    write(filename:join(Folder, "emqx.rel"), Rel),
    write(filename:join(Out, Vsn ++ ".rel"), Rel).

compile_module(Sources, Ebin, Vsn, Module) ->
    {ok, Module} = compile:file(filename:join(Sources, atom_to_list(Module)),
                                [{outdir, Ebin}, {d, 'VSN', Vsn}, deterministic, report]).

boot_files(Out, Vsn) ->
    {ok, _, _} = systools:make_script(filename:join(Out, Vsn), [
        {path, [ebin(Out, Vsn)]}, {outdir, filename:join([Out, "releases", Vsn])}, {script_name, "start"}, silent]).

relup(_Out, {_Vsn, none, _, _}) -> ok;
relup(Out, {Vsn, UpFrom, DownTo, _}) ->
    Path = [ebin(Out, V) || V <- lists:usort([Vsn | UpFrom ++ DownTo])],
    Rel = fun(V) -> filename:join(Out, V) end,
    {ok, _, _, _} = systools:make_relup(Rel(Vsn), lists:map(Rel, UpFrom), lists:map(Rel, DownTo), [
        {path, Path}, {outdir, filename:join([Out, "releases", Vsn])}, silent]).

modules() -> [emqx_lab, emqx_lab_app, emqx_lab_listener].

ebin(Out, Vsn) -> filename:join([Out, "lib", "emqx-" ++ Vsn, "ebin"]).

vsn(App) ->
    _ = application:load(App),
    {ok, Vsn} = application:get_key(App, vsn),
    Vsn.

write(Path, Term) -> ok = file:write_file(Path, io_lib:format("~tp.~n", [Term])).
