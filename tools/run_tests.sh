#!/usr/bin/env bash
# Run the tests; arguments go to pytest (e.g. `bash tools/run_tests.sh tests/models -k pool`).
#
# What they need is installed first, into the active virtual environment or into .venv (see tools/install_stack.sh).
# Tests that need the shared reference folder, a host with compiled ops or Ray are skipped, with the reason, where these are missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tools/lib_env.sh
source tools/lib_env.sh
activate_env
bash tools/install_stack.sh tests

# Two worker processes with one thread each: as fast as it gets on two cores, and the numbers do not depend on the thread count.
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
exec python -m pytest -n "${PYTEST_WORKERS:-2}" --dist loadscope "$@"
