#!/bin/sh
# Check an evidence bundle with common tools only: POSIX sh, openssl 3, sha256sum, xxd, base64, sed, cut, tail.
#
#     sh verify.sh VKEY [FOLDER]
#
# VKEY is the public key of the log. Get it from the log's owner by another way than this bundle:
# whoever made a false bundle also wrote the key that lies in it. FOLDER is the unpacked bundle, by
# default the one in which this script lies. Safer still is to run a copy of this script that you
# have from elsewhere, for the same reason.
#
# Exit code: 0 all checks were made and hold; 1 a check failed; 2 a check could not be made.
set -eu
if [ -n "${ZSH_VERSION-}" ]; then emulate sh; fi
LC_ALL=C
export LC_ALL
unset CDPATH # with it, cd may go to another folder than the one that is named
umask 077

failed=0
undecided=0
told=0
work=
newline='
'

# Names in a bundle are somebody else's text: nothing in them steers the terminal.
say() { printf '%s\n' "$*" | sed -e 's/[^ -~]/?/g'; }
ok() { say "ok: $*"; }
fail() { say "FAILED: $*"; failed=1; }
miss() { say "UNDECIDED: $*"; undecided=1; }
progress() { if [ -t 2 ]; then printf '\r%s ' "$*" >&2; fi; }

finish() {
    if [ -t 2 ]; then printf '\n' >&2; fi
    told=1
    say "not checked: whether what the events say is true; whether the log was cut back or rewritten by the"
    say "  holder of its key since an earlier note (compare with a note of your own); cosignatures of others,"
    say "  anchors/, policy, log.vkey, views/, disclosures.json, the form of the events, what manifest.json says;"
    say "  what imported events carry of other ledgers."
    if [ "$failed" = 1 ]; then say "verdict: failed"; exit 1; fi
    if [ "$undecided" = 1 ]; then say "verdict: undecided"; exit 2; fi
    say "verdict: verified, as far as the checks above go"
    exit 0
}

# What goes wrong in the script itself must never look like a verdict of 0 or 1.
leave() {
    code=$?
    if [ -n "$work" ]; then rm -rf "$work"; fi
    [ "$told" = 1 ] || exit 2
    exit "$code"
}
trap leave EXIT
trap 'exit 2' HUP INT TERM

# A whole number as the formats write it.
is_number() {
    case $1 in
        '' | *[!0-9]* | 0?*) return 1 ;;
    esac
}

# POSIX promises numbers of 32 bits, and mksh has no larger ones: from 2^31 on it counts from the beginning.
is_countable() { [ "${#1}" -le 9 ]; }

is_readable() { [ -f "$1" ] && [ -r "$1" ]; }

is_hex() {
    case $1 in
        '' | *[!0-9a-f]*) return 1 ;;
    esac
}

# Print what comes in as hexadecimal digits on one line.
hex_of() { for part in $(xxd -p -c 256); do printf '%s' "$part"; done; }

# Print in hexadecimal what base64 text $1 stands for; fail unless it is the only spelling.
from_base64() {
    case $1 in
        '' | *[!A-Za-z0-9+/=]*) return 1 ;;
    esac
    hex=$(printf '%s' "$1" | base64 -d 2>/dev/null | hex_of)
    [ "$(printf '%s' "$hex" | xxd -r -p | openssl base64 -A)" = "$1" ] || return 1
    printf '%s' "$hex"
}

is_hash() { [ "${#1}" = 64 ]; }

# RFC 6962, section 2.1.
leaf_hash() { { printf '\000'; cat "$1"; } | sha256sum | cut -c1-64; }
node_hash() { printf '01%s%s' "$1" "$2" | xxd -r -p | sha256sum | cut -c1-64; }

# Number $1 as it stands in the path of a tile: 1234067 is x001/x234/067.
tile_number() {
    rest=$1
    group=$(printf '%03d' $((rest % 1000)))
    rest=$((rest / 1000))
    while [ "$rest" -gt 0 ]; do
        group=$(printf 'x%03d/%s' $((rest % 1000)) "$group")
        rest=$((rest / 1000))
    done
    printf '%s' "$group"
}

# 1. What is needed.

vkey=${1-}
folder=${2-$(dirname "$0")}
if [ -z "$vkey" ]; then
    say "usage: sh verify.sh VKEY [FOLDER]" >&2
    say "VKEY is the log's public key, as its owner gave it to you: name+id+key" >&2
    exit 2
fi
for tool in openssl sha256sum xxd base64 sed cut tail; do
    command -v "$tool" >/dev/null 2>&1 || { say "UNDECIDED: $tool is not installed"; exit 2; }
done
case $(openssl version) in
    'OpenSSL '[3-9]*) ;;
    *) say "UNDECIDED: openssl is older than version 3: $(openssl version)"; exit 2 ;;
esac
cd -- "$folder" 2>/dev/null || {
    say "UNDECIDED: there is no folder $folder that can be entered; the key comes first: sh verify.sh VKEY [FOLDER]"
    exit 2
}
work=$(mktemp -d) || exit 2

# 2. The key: its id is recomputed from name and key (C2SP signed-note, "Verifier keys").

name=${vkey%%+*}
rest=${vkey#*+}
id=${rest%%+*}
key=$(from_base64 "${rest#*+}") || { say "UNDECIDED: this is no vkey: $vkey"; exit 2; }
case $key in
    01*) ;;
    *) say "UNDECIDED: the key is not of type 01, Ed25519"; exit 2 ;;
esac
if [ -z "$name" ] || [ "${#key}" != 66 ]; then
    say "UNDECIDED: the vkey has no name, or its key has another length than 32 bytes"
    exit 2
fi
computed=$({ printf '%s\n' "$name"; printf '%s' "$key" | xxd -r -p; } | sha256sum | cut -c1-8)
if [ "$computed" != "$id" ]; then
    say "UNDECIDED: the id of the vkey is $id, its key gives $computed"
    exit 2
fi
printf '302a300506032b6570032100%s' "${key#01}" | xxd -r -p >"$work/key"
ok "the vkey is well formed: $name, id $id"

# 3. The checkpoint: text up to the last empty line, then the lines of those who signed it.

if ! is_readable checkpoint || [ -h checkpoint ]; then
    miss "there is no file 'checkpoint' that can be read"
    finish
fi
divider=$(sed -n '/^$/=' checkpoint | tail -n 1)
if [ -z "$divider" ] || [ "$divider" -lt 4 ] || [ "$(tail -c 1 checkpoint | xxd -p)" != 0a ]; then
    fail "checkpoint: this is no signed note"
    finish
fi
sed -n "1,$((divider - 1))p" checkpoint >"$work/body"
sed -n "$((divider + 1)),\$p" checkpoint >"$work/signatures"
signed=0
while IFS= read -r line; do
    case $line in
        "— "*" "*) ;;
        *) fail "checkpoint: a line below the text is no signature"; finish ;;
    esac
    signer=${line#"— "}
    [ "${signer%% *}" = "$name" ] || continue
    payload=$(from_base64 "${signer#* }") || { fail "checkpoint: a signature of $name is no base64"; finish; }
    # A line of another key of the same name is that of a stranger.
    [ "$(printf '%s' "$payload" | cut -c1-8)" = "$id" ] || continue
    printf '%s' "$payload" | cut -c9- | xxd -r -p >"$work/signature"
    said='Signature Verification Failure'
    if [ "${#payload}" = 136 ] &&
        said=$(openssl pkeyutl -verify -pubin -keyform DER -inkey "$work/key" -rawin \
            -in "$work/body" -sigfile "$work/signature" 2>/dev/null); then
        signed=1
        continue
    fi
    case $said in
        *'Verification Failure'*) fail "checkpoint: the signature of $name does not verify"; finish ;;
        *) miss "checkpoint: this openssl cannot verify the signature of $name"; finish ;;
    esac
done <"$work/signatures"
if [ "$signed" = 0 ]; then
    fail "checkpoint: no line is by the key $name+$id"
    finish
fi
origin=$(sed -n 1p "$work/body")
size=$(sed -n 2p "$work/body")
root=$(from_base64 "$(sed -n 3p "$work/body")") || root=
if [ "$origin" != "$name" ]; then
    fail "checkpoint: it is of the log '$origin', the key is of '$name'"
    finish
fi
if ! is_number "$size" || [ "$size" = 0 ] || ! is_hash "$root"; then
    fail "checkpoint: size or root is not what a checkpoint has"
    finish
fi
if ! is_countable "$size"; then
    miss "checkpoint: not every shell can count to $size"
    finish
fi
ok "checkpoint of $size events signed by $name"

# 4. The files: all that are listed are there and unaltered, and no other is.

# Print the files below folder $1, each with $2 in front.
walk() (
    cd -- "$1"
    for found in * .[!.]* ..?*; do
        if [ -h "$found" ]; then
            printf 'link %s%s\n' "$2" "$found"
        elif [ -d "$found" ]; then
            walk "$found" "$2$found/"
        elif [ -e "$found" ]; then
            printf 'file %s%s\n' "$2" "$found"
        fi
    done
)

is_listed() {
    case $newline$listed$newline in
        *"$newline$1$newline"*) ;;
        *) return 1 ;;
    esac
}

check_files() {
    listed=$(cut -c67- SHA256SUMS)
    : >"$work/present"
    while IFS= read -r line || [ -n "$line" ]; do
        file=${line#??????????????????????????????????????????????????????????????????}
        digest=${line%"  $file"}
        if ! is_hex "$digest" || ! is_hash "$digest"; then fail "SHA256SUMS: this is no line of it: '$line'"; fi
        case /$file/ in
            */../* | */./* | *//*) fail "SHA256SUMS: '$file' leads out of the bundle"; continue ;;
        esac
        if is_readable "$file"; then
            printf '%s\n' "$line" >>"$work/present"
        else
            miss "$file is listed and is not there, or cannot be read"
        fi
    done <SHA256SUMS
    if [ -s "$work/present" ] && ! sha256sum -c "$work/present" >"$work/sums" 2>/dev/null; then
        sed -n 's/^\(.*\): FAILED.*/\1/p' "$work/sums" >"$work/altered"
        while IFS= read -r file; do fail "$file is not what SHA256SUMS lists"; done <"$work/altered"
        [ -s "$work/altered" ] || fail "SHA256SUMS: sha256sum does not read it"
    fi
    walk . '' >"$work/found"
    while IFS= read -r line; do
        file=${line#* }
        [ "${line%% *}" = file ] || fail "$file is a link"
        [ "$file" = SHA256SUMS ] || is_listed "$file" || fail "'$file' is not listed in SHA256SUMS"
    done <"$work/found"
    sed -n 's/^ *"path": "\(.*\)",\{0,1\}$/\1/p' manifest.json >"$work/named"
    while IFS= read -r file; do
        is_listed "$file" || miss "$file is listed in manifest.json and not in SHA256SUMS"
    done <"$work/named"
    if [ "$failed$undecided" = 00 ]; then ok "the files are those that SHA256SUMS lists"; fi
}

if is_readable SHA256SUMS && is_readable manifest.json; then
    check_files
else
    miss "SHA256SUMS or manifest.json is not there, or cannot be read: whether files are missing cannot be told"
fi

# 5. Sample form: each entry stands in the tree (RFC 9162, section 2.1.3.2).

# Set *problem* to what is wrong with the proof of entry $1, or to nothing.
check_entry() {
    problem=
    proof=entries/$1.tlog-proof
    divider=$(sed -n '/^$/=' "$proof" | sed -n 1p)
    [ -n "$divider" ] || { problem="it is no proof"; return 0; }
    sed -n "1,$((divider - 1))p" "$proof" >"$work/proof"
    sed -n "$((divider + 1)),\$p" "$proof" >"$work/note"
    [ "$(sed -n 1p "$work/proof")" = c2sp.org/tlog-proof@v1 ] || { problem="it is no proof"; return 0; }
    at=2
    case $(sed -n 2p "$work/proof") in 'extra '*) at=3 ;; esac
    [ "$(sed -n "${at}p" "$work/proof")" = "index $1" ] || { problem="its proof is of another index"; return 0; }
    [ "$(sha256sum <"$work/note")" = "$(sha256sum <checkpoint)" ] ||
        { problem="its proof leads to another checkpoint"; return 0; }
    if ! is_countable "$1" || [ "$1" -ge "$size" ]; then problem="its index is outside the tree"; return 0; fi
    sed -n "$((at + 1)),\$p" "$work/proof" >"$work/hashes"
    first=$1
    second=$((size - 1))
    result=$(leaf_hash "entries/$1.json")
    while IFS= read -r text; do
        sibling=$(from_base64 "$text") || sibling=
        is_hash "$sibling" || { problem="a hash of its proof is none"; return 0; }
        [ "$second" != 0 ] || { problem="its proof is too long"; return 0; }
        if [ $((first % 2)) = 1 ] || [ "$first" = "$second" ]; then
            result=$(node_hash "$sibling" "$result")
            while [ $((first % 2)) = 0 ] && [ "$first" != 0 ]; do
                first=$((first / 2))
                second=$((second / 2))
            done
        else
            result=$(node_hash "$result" "$sibling")
        fi
        first=$((first / 2))
        second=$((second / 2))
    done <"$work/hashes"
    [ "$second" = 0 ] || { problem="its proof is too short"; return 0; }
    [ "$result" = "$root" ] || problem="it does not stand in the signed tree"
}

if [ -d entries ]; then
    count=0
    for file in entries/*; do
        index=${file#entries/}
        case $index in
            *.tlog-proof)
                index=${index%.tlog-proof}
                [ -f "entries/$index.json" ] || miss "entries/$index.json is not there"
                continue
                ;;
            *.json) index=${index%.json} ;;
            *) index= ;;
        esac
        if ! is_number "$index"; then
            fail "$file is no entry"
        elif ! is_readable "$file" || ! is_readable "entries/$index.tlog-proof"; then
            miss "$file or entries/$index.tlog-proof is not there, or cannot be read"
        else
            check_entry "$index"
            if [ -n "$problem" ]; then fail "entries/$index.json: $problem"; fi
            count=$((count + 1))
            progress "$count entries"
        fi
    done
    [ "$count" -gt 0 ] || miss "entries/ holds no entry with a proof"
    if [ "$failed" = 0 ]; then ok "$count entries stand in the signed tree; nothing is said of the others"; fi
fi

# 6. Whole form: level 0 from the entry bundles, all tiles and the root from level 0 (C2SP tlog-tiles).

# Print the $3 bytes of file $1 behind the first $2.
bytes_at() { if [ "$3" != 0 ]; then xxd -s "$2" -l "$3" -p "$1" | xxd -r -p; fi; }

# Print the hashes of the entries of bundle $1, which must be $2: each has its length in two bytes before it.
bundle_hashes() {
    at=0
    entry=0
    while [ "$entry" -lt "$2" ]; do
        length=$(xxd -s "$at" -l 2 -p "$1")
        [ "${#length}" = 4 ] || return 1
        length=$((0x$length))
        bytes_at "$1" $((at + 2)) "$length" >"$work/entry"
        at=$((at + 2 + length))
        leaf_hash "$work/entry"
        entry=$((entry + 1))
    done
    # Exactly to the end: the byte before it is there, and none behind it.
    [ -n "$(bytes_at "$1" $((at - 1)) 1 | xxd -p)" ] && [ -z "$(bytes_at "$1" "$at" 1 | xxd -p)" ]
}

# Hold tile $2 of level $1, which has $3 hashes, against the same lines of the file $4.
check_tile() {
    place=tile/$1/$(tile_number "$2")
    [ "$3" = 256 ] || place=$place.p/$3
    if ! is_readable "$place"; then
        miss "$place is not there, or cannot be read"
    else
        xxd -p -c 32 "$place" >"$work/tile"
        sed -n "$(($2 * 256 + 1)),$(($2 * 256 + $3))p" "$4" >"$work/due"
        [ "$(sha256sum <"$work/tile")" = "$(sha256sum <"$work/due")" ] || fail "$place is not over the entries"
    fi
}

# Hold all tiles of level $1, which has $2 hashes, against the file $3.
check_level() {
    tile=0
    while [ $((tile * 256)) -lt "$2" ]; do
        width=$(($2 - tile * 256))
        [ "$width" -le 256 ] || width=256
        check_tile "$1" "$tile" "$width" "$3"
        tile=$((tile + 1))
    done
}

check_whole() {
    : >"$work/level"
    bundle=0
    while [ $((bundle * 256)) -lt "$size" ]; do
        width=$((size - bundle * 256))
        [ "$width" -le 256 ] || width=256
        place=tile/entries/$(tile_number "$bundle")
        [ "$width" = 256 ] || place=$place.p/$width
        progress "entries $((bundle * 256)) of $size"
        if ! is_readable "$place"; then
            miss "$place is not there, or cannot be read"
            return 0
        elif ! bundle_hashes "$place" "$width" >>"$work/level"; then
            fail "$place does not hold $width entries"
            return 0
        fi
        bundle=$((bundle + 1))
    done
    check_level 0 "$size" "$work/level"
    # One row of the tree after the other; a last hash without a sibling goes up as it is.
    left=$size
    height=0
    while [ "$left" -gt 1 ]; do
        progress "$left hashes of height $height"
        : >"$work/above"
        while IFS= read -r one; do
            if IFS= read -r two; then node_hash "$one" "$two"; else printf '%s\n' "$one"; fi
        done <"$work/level" >>"$work/above"
        mv "$work/above" "$work/level"
        left=$(((left + 1) / 2))
        height=$((height + 1))
        if [ $((height % 8)) = 0 ]; then check_level $((height / 8)) $((size >> height)) "$work/level"; fi
    done
    if [ "$(sed -n 1p "$work/level")" != "$root" ]; then
        fail "the root of the entries is not the one in the checkpoint"
    elif [ "$failed$undecided" = 00 ]; then
        ok "all $size entries, all tiles and the root are those of the signed tree"
    fi
}

if [ -d tile ]; then check_whole; fi
if [ ! -d tile ] && [ ! -d entries ]; then miss "there is neither tile/ nor entries/: nothing to check"; fi
finish
