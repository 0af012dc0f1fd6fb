%% The server of the lab release: it keeps connected clients and counts what they ask.
%%
%% A client sends a line and gets `<count> <vsn>`: the number of lines that the server has
%% answered since it started, and the release whose code answered. `disconnects` counts
%% clients that went. The state is carried over by code_change/3 in both directions.
-module(emqx_lab).
-behaviour(gen_server).

-export([start_link/0, serve/1, refuse/0, crash/0, hold/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, code_change/3]).

-record(state, {count = 0, disconnects = 0, changes = 0}).

start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% Takes over a connected socket of the calling process.
serve(Socket) ->
    ok = gen_tcp:controlling_process(Socket, whereis(?MODULE)),
    gen_server:cast(?MODULE, {serve, Socket}).

%% Instructions of bad relups.
refuse() -> error(lab_refuses).
crash() -> error(lab_crashes).

%% Goes on as long as a test holds it, which is while this file is there; ten minutes at most.
hold(File) -> hold(File, 30000).

hold(_, 0) -> ok;
hold(File, Left) ->
    case file:read_file_info(File) of
        {ok, _} -> timer:sleep(20), hold(File, Left - 1);
        _ -> ok
    end.

init([]) -> {ok, #state{}}.

handle_call(status, _From, State) ->
    #state{count = Count, disconnects = Gone, changes = Changes} = State,
    {reply, {?VSN, Count, Gone, Changes}, State}.

handle_cast({serve, Socket}, State) ->
    ok = inet:setopts(Socket, [{active, once}]),
    {noreply, State}.

handle_info({tcp, Socket, _Line}, State = #state{count = Count}) ->
    ok = gen_tcp:send(Socket, io_lib:format("~b ~s~n", [Count + 1, ?VSN])),
    ok = inet:setopts(Socket, [{active, once}]),
    {noreply, State#state{count = Count + 1}};
handle_info({tcp_closed, _Socket}, State = #state{disconnects = Gone}) ->
    {noreply, State#state{disconnects = Gone + 1}}.

code_change(_From, State = #state{changes = Changes}, _Extra) ->
    {ok, State#state{changes = Changes + 1}}.
