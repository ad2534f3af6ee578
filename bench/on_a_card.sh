#!/bin/bash
# The first quarter of an hour on a GPU: bench/on_a_card.sh FOLDER [PYTHON]
#
# Parts run most valuable first, 12 minutes in all at most. Each has its own limit, and what it says is in FOLDER at
# once, a file a part, with a line in FOLDER/summary.txt; a part that fails or runs out of time stops no other. PYTHON
# has chainrule's extras app, dev, cuda13 and peers. With TINY=SECONDS everything is at its smallest and a part has that
# long, to try the script on the pretended device of tests/cupy_on_cpu.
set -u
cd "$(dirname "$0")/.." || exit 1
out=$(realpath -m "${1:?usage: bench/on_a_card.sh FOLDER [PYTHON]}")
python=${2:-.venv/bin/python}
tiny=${TINY:+--tiny} way=${TINY:+tiny}
mkdir -p "$out"
export CHAINRULE_DEVICE=cuda CHAINRULE_TEST_DEVICES=cuda PYTHONUNBUFFERED=1
export PYTHONPATH=$PWD/src:$PWD${PYTHONPATH:+:$PYTHONPATH}

part() { # part NAME SECONDS COMMAND...
    local name=$1 limit=$2 begun=$SECONDS
    shift 2
    timeout --signal=INT --kill-after=20 "${TINY:-$limit}" "$@" >"$out/$name.txt" 2>&1
    echo "$name: exit status $? after $((SECONDS - begun)) s of $limit; $(tail -n 1 "$out/$name.txt" | cut -c 1-120)" |
        tee -a "$out/summary.txt"
}

tests() { # tests NAME SECONDS PROCESSES ARGUMENTS...
    local name=$1 limit=$2 processes=$3
    shift 3
    part "$name" "$limit" "$python" -m pytest -v -p no:cacheprovider --tb=short -n "$processes" "$@"
}

# Tests without the name of a device run on the CPU everywhere; four processes share the card.
part devices 30 "$python" -m chainrule devices
tests contract 120 4 tests/contract tests/models/test_host_copies.py tests/models/test_launches.py -k "cuda or launches"
part launches 30 "$python" bench/launches.py
tests suite 180 4 tests -k "cuda and not test_host_copies" --ignore=tests/contract --ignore=tests/browser
part steps 150 "$python" bench/run.py --sizes "${way:-quick}" --only logistic network --out "$out/steps.json"
part one_pass 75 "$python" bench/on_a_card.py one_pass $tiny
part crossover 75 "$python" bench/on_a_card.py crossover $tiny
part memory 30 "$python" bench/on_a_card.py memory $tiny
