# Shared by the shell tools: help, the virtual environment, and installing with one clear line on failure.

fail() {
  echo "error: $*" >&2
  exit 1
}

help_asked() {  # the arguments: with --help or -h among the first, print the comment at the head of the calling script, and end
  case "${1:-}" in -h | --help) ;; *) return 0 ;; esac
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "${BASH_SOURCE[1]}"
  ! grep -q '^activate_env' "${BASH_SOURCE[1]}" || printf '\nIt changes this Python environment: %s\n' "$(environment)"
  exit 0
}

check_python() {  # NAME: the interpreter
  command -v "$1" >/dev/null 2>&1 || fail "'$1' not found: install Python 3.10 or later, or name it: PYTHON=/path/to/python3"
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
    fail "$1 is $("$1" --version 2>&1), this project needs Python 3.10 or later: name another with PYTHON=/path/to/python3"
}

environment() {  # the folder of the environment that a script will change
  echo "${VIRTUAL_ENV:-${CONDA_PREFIX:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/.venv}}"
}

activate_env() {  # the active environment (venv or conda), or .venv in the repository root
  if [ -z "${VIRTUAL_ENV:-}" ] && [ -z "${CONDA_PREFIX:-}" ]; then
    if [ ! -x .venv/bin/python ]; then
      check_python "${PYTHON:-python3}"
      "${PYTHON:-python3}" -m venv .venv || fail "could not make .venv (on Debian and Ubuntu: apt install python3-venv)"
    fi
    # shellcheck disable=SC1091
    source .venv/bin/activate
  fi
  check_python python
}

pip_install() {  # like `pip install`, quiet, with a hint when it fails
  python -m pip install -qq --disable-pip-version-check "$@" ||
    fail "pip could not install '$*' (its own message is above). Is there a network? A local mirror is named by PIP_INDEX_URL or PIP_FIND_LINKS."
}

some() {  # like its arguments, but exit status 1 is fine: some clips could not be used, each was named, and the others are enough to go on with
  "$@" || { status=$?; [ "$status" -eq 1 ] || exit "$status"; }
}
