#!/usr/bin/env bash
# Run the tests:
#
#   bash tools/run_tests.sh              the tests that start no process of their own: a few minutes on two cores
#   bash tools/run_tests.sh --all        all tests
#   bash tools/run_tests.sh --campaign   the fault campaign, for a night (docs/reliability.md); arguments go to python -m tests.campaign
#   bash tools/run_tests.sh ARGUMENTS    what pytest makes of them, e.g. tests/models -k pool
#
# What they need is installed first (see tools/install_stack.sh). A test that needs the shared reference folder, a host
# with compiled ops or Ray is skipped, with the reason, where that is missing.
#
#   PYTEST_WORKERS=N    test processes at once (default: 2)
set -euo pipefail
# shellcheck source=tools/lib_env.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib_env.sh"
help_asked "$@"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
activate_env
bash tools/install_stack.sh tests

# Two worker processes with one thread each: as fast as it gets on two cores, and the numbers do not depend on the thread count.
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
case "${1:-}" in
  '') set -- -m 'not process' ;;
  --all) shift ;;
  --campaign) shift && exec python -m tests.campaign "$@" ;;
esac
exec python -m pytest -n "${PYTEST_WORKERS:-2}" --dist loadscope "$@"
