%% Accepts clients on loopback and hands them to the server; no release changes this module.
-module(emqx_lab_listener).
-export([start_link/0, init/1]).

start_link() -> proc_lib:start_link(?MODULE, init, [self()]).

init(Parent) ->
    Options = [{ip, {127, 0, 0, 1}}, {packet, line}, {active, false}, {reuseaddr, true}],
    {ok, Listener} = gen_tcp:listen(application:get_env(emqx, port, 0), Options),
    {ok, Port} = inet:port(Listener),
    ok = file:write_file("data/lab.port", integer_to_list(Port)),
    proc_lib:init_ack(Parent, {ok, self()}),
    accept(Listener).

accept(Listener) ->
    {ok, Socket} = gen_tcp:accept(Listener),
    emqx_lab:serve(Socket),
    accept(Listener).
