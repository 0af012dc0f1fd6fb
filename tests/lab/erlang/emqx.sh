#!/bin/sh
# bin/emqx of the lab: what EMQX's own does, by its documented behaviour (otp.md 2, 3, 10).
#
# The node listens on loopback. Without epmd its port is 4370 plus the number in its name; with
# WITH_EPMD=1 it registers at the epmd that ERL_EPMD_PORT names.
set -eu
umask 027
RUNNER_ROOT_DIR="$(cd "$(dirname "$0")/.." && pwd -P)"
. "$RUNNER_ROOT_DIR/releases/emqx_vars"
PID_FILE="$RUNNER_DATA_DIR/emqx.pid"
BINDIR="$RUNNER_ROOT_DIR/erts-$ERTS_VSN/bin"

setting() { sed -n "s/^$1 *= *//p" "$RUNNER_ETC_DIR/emqx.conf"; }

port() {
    number="$(setting node.name | sed -n 's/^[^@]*[^0-9@]\([0-9]\{1,\}\)@.*/\1/p')"
    echo $((4370 + ${number:-0}))
}

alive() { [ -f "$PID_FILE" ] && kill -0 "$(cat "$PID_FILE")" 2>/dev/null; }

answers() {
    alive || return 1
    [ -n "${WITH_EPMD:-}" ] && where="-name $(setting node.name)" || where="-address 127.0.0.1:$(port)"
    found="$(echo 'init:get_status().' | HOME="$RUNNER_DATA_DIR" "$BINDIR/erl_call" $where -R -timeout 5 -e 2>/dev/null)" &&
        [ "$found" = '{ok, {started, started}}' ]
}

generate() {
    stamp="$(date -u +%Y.%m.%d.%H.%M.%S)"
    configs="$RUNNER_DATA_DIR/configs"
    mkdir -p "$configs" "$RUNNER_LOG_DIR"
    VM_ARGS="$configs/vm.$stamp.args"
    APP_CONFIG="$configs/app.$stamp.config"
    printf -- '-name %s\n-setcookie %s\n-kernel inet_dist_use_interface {127,0,0,1}\n' \
        "$(setting node.name)" "$(setting node.cookie)" >"$VM_ARGS"
    cp "$RUNNER_ETC_DIR/lab.config" "$APP_CONFIG"
    printf %s "$(setting node.cookie)" >"$RUNNER_DATA_DIR/.erlang.cookie"
    chmod 600 "$RUNNER_DATA_DIR/.erlang.cookie"
}

start() {
    if answers; then
        echo 'Node is already running!'
        exit 1
    fi
    generate
    [ -n "${WITH_EPMD:-}" ] && way="" || way="-erl_epmd_port $(port)"
    cd "$RUNNER_ROOT_DIR"
    ROOTDIR="$RUNNER_ROOT_DIR" BINDIR="$BINDIR" EMU=beam PROGNAME=emqx \
        nohup "$BINDIR/erlexec" -noshell -noinput -mode embedded -boot "$RUNNER_ROOT_DIR/releases/$REL_VSN/start" \
        -config "$APP_CONFIG" -args_file "$VM_ARGS" -vm_args "$VM_ARGS" -start_epmd false $way \
        >>"$RUNNER_LOG_DIR/erlang.log" 2>&1 </dev/null &
    echo $! >"$PID_FILE"
    for _ in $(seq 200); do
        if answers; then
            echo "EMQX $REL_VSN is started successfully!"
            return
        fi
        alive || break
        sleep 0.05
    done
    echo 'EMQX failed to start' >&2
    exit 1
}

stop() {
    if ! alive; then
        echo 'Node is not running!'
        exit 1
    fi
    pid="$(cat "$PID_FILE")"
    kill -TERM "$pid"
    for _ in $(seq 100); do
        alive || break
        sleep 0.05
    done
    alive && kill -KILL "$pid"
    rm -f "$PID_FILE"
    echo ok
}

# The release commands; the cookie stands in the process list, as the vendor's does.
release() {
    if [ "$1" != versions ] && [ $# -lt 2 ]; then
        echo 'Missing version argument'
        echo "Usage: emqx $1 {version}"
        exit 1
    fi
    if ! answers; then
        echo 'Node is not running!'
        echo "Node '$(setting node.name)' not responding to pings." >&2
        exit 1
    fi
    while [ -e "$RUNNER_DATA_DIR/lab.script" ]; do sleep 0.05; done # a test holds it
    command="$1"
    shift
    [ -n "${WITH_EPMD:-}" ] && way="" || way="-erl_epmd_port $(port)"
    export RUNNER_ROOT_DIR REL_VSN
    ERL_FLAGS="-hidden -start_epmd false -dist_listen false -setcookie $(setting node.cookie) $way" \
        exec escript "$RUNNER_ROOT_DIR/bin/install_upgrade.escript" \
        "$command" "$(setting node.name)" "$(setting node.cookie)" "$@"
}

case "${1:-}" in
versions | unpack | install | upgrade | downgrade | uninstall) release "$@" ;;
start) start ;;
stop) stop ;;
restart)
    stop
    start
    ;;
ping) if answers; then echo pong; else echo 'Node is not running!' && exit 1; fi ;;
root_dir) echo "\"$RUNNER_ROOT_DIR\"" ;;
*)
    echo 'Usage: emqx start | stop | restart | ping | root_dir | versions | unpack | install | uninstall' >&2
    exit 1
    ;;
esac
