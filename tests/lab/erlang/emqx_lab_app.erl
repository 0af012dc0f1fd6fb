%% Application and supervisor of the lab release.
-module(emqx_lab_app).
-behaviour(application).
-behaviour(supervisor).
-export([start/2, stop/1, init/1]).

%% A test can hold a start, as it can an install.
start(_Type, _Args) ->
    emqx_lab:hold("data/lab.start"),
    supervisor:start_link({local, emqx_lab_sup}, ?MODULE, []).

stop(_State) -> ok.

init([]) ->
    {ok, {{one_for_all, 1, 5}, [child(emqx_lab), child(emqx_lab_listener)]}}.

child(Module) -> {Module, {Module, start_link, []}, permanent, 1000, worker, [Module]}.
