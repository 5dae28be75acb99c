"""The command line: ``usot VERB``, one module a verb, each with ``main(argv) -> exit status``."""
